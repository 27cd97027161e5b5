/** Promotion and rollback: what they will do is said before they are done. */
import { useState } from "preact/hooks";
import { ask } from "../api";
import type { ListedRelease, Promoted } from "../contract";
import { Dialog } from "../parts/dialog";
import { Failure } from "../parts/state";
import { toast } from "../toasts";
import { needsForce, standingOf } from "./standing";

/** What somebody is about to do, in place of the champion that they saw: promote a release, or go back to the one before. */
export type Intent = { readonly champion: string | null } & (
  { readonly kind: "promote"; readonly release: ListedRelease } | { readonly kind: "roll-back"; readonly before: string | null }
);

interface Props {
  readonly intent: Intent;
  /** The champion by now. */
  readonly champion: string | null;
  readonly onClose: () => void;
  /** It was tried: there may be another champion. */
  readonly onTried: () => void;
}

export function ConfirmDialog({ intent, champion, onClose, onTried }: Props) {
  const [isForced, setIsForced] = useState(false);
  const [isAsking, setIsAsking] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const isOld = champion !== intent.champion;
  const mustForce = intent.kind === "promote" && needsForce(intent.release);
  const act = async () => {
    setIsAsking(true);
    setError(null);
    try {
      tell(await send(intent, isForced));
      onClose();
    } catch (problem) {
      setError(problem);
      setIsAsking(false);
    } finally {
      onTried();
    }
  };
  const name = intent.kind === "promote" ? "Promote" : "Roll back";
  return (
    <Dialog title={intent.kind === "promote" ? "Promote this release?" : "Roll back?"} onClose={onClose}>
      <div class="stack">
        <Consequences intent={intent} />
        {mustForce && (
          <label class="check">
            <input type="checkbox" checked={isForced} onChange={(event) => setIsForced(event.currentTarget.checked)} />
            <span>{intent.kind === "promote" && standingOf(intent.release) === "refused" ? "The gate refused it. Promote it all the same." : "The gate never judged it. Promote it all the same."}</span>
          </label>
        )}
        {error !== null && <Failure error={error} />}
        {isOld && !isAsking && <p class="warned" role="alert">Meanwhile {champion ?? "none"} has become champion. Close this, look, and decide again.</p>}
        <div class="row end">
          <button type="button" onClick={onClose}>Cancel</button>
          <button type="button" class="primary" disabled={isAsking || isOld || (mustForce && !isForced)} onClick={() => void act()}>
            {isAsking ? "Verifying every byte…" : name}
          </button>
        </div>
      </div>
    </Dialog>
  );
}

function Consequences({ intent }: { intent: Intent }) {
  const goal = intent.kind === "promote" ? intent.release.id : intent.before;
  return (
    <>
      <dl class="swap">
        <div><dt>Answers now</dt><dd>{intent.champion ?? "none"}</dd></div>
        <div><dt>Will answer</dt><dd>{goal ?? "the newest older release that passed the gate"}</dd></div>
      </dl>
      <p>
        Every byte of it is verified first. Then all workers load it within seconds, and rebuild each listener's state from
        the plays it remembers, the next time they play. No play is lost or counted twice.
      </p>
      {intent.kind === "roll-back" && <p>A release that is missing or damaged is skipped for the one before it. Rolling back again goes further back.</p>}
      <p class="note">A running trainer goes on, and publishes again as soon as new weights pass the gate against this release. To keep an old one, stop the trainer.</p>
    </>
  );
}

function send(intent: Intent, isForced: boolean): Promise<Promoted> {
  const insteadOf = intent.champion === null ? {} : { instead_of: intent.champion };
  if (intent.kind === "roll-back") return ask<Promoted>("releases/rollback", insteadOf);
  return ask<Promoted>("releases/promote", { release_id: intent.release.id, ...(isForced ? { force: true } : {}), ...insteadOf });
}

function tell({ champion, skipped }: Promoted): void {
  for (const words of skipped) toast(`Skipped ${words}`, "failed");
  toast(`${champion} is champion. Workers load it within seconds.`);
}
