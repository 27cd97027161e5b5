/** Sending letters again and discarding them: what that will do is said before it is done. */
import { useState } from "preact/hooks";
import type { LettersDone } from "../contract";
import { plural } from "../format";
import { Dialog } from "../parts/dialog";
import { Failure } from "../parts/state";
import type { Choice } from "./choice";
import { type Deed, carryOut } from "./desk";

interface Props {
  readonly deed: Deed;
  readonly choice: Choice;
  readonly onClose: () => void;
  readonly onDone: (deed: Deed, result: LettersDone) => void;
}

export function DeedDialog({ deed, choice, onClose, onDone }: Props) {
  const [isAsking, setIsAsking] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const letters = plural(choice.size, "letter");
  const act = () => {
    setIsAsking(true);
    setError(null);
    carryOut(deed, choice).then(
      (result) => { onDone(deed, result); onClose(); },
      (problem: unknown) => { setError(problem); setIsAsking(false); },
    );
  };
  return (
    <Dialog title={deed === "discard" ? `Discard ${letters} for ever?` : `Send ${letters} again?`} onClose={onClose}>
      <div class="stack">
        {deed === "discard" ? (
          <p>They are listed, counted and sent no more, and their bytes leave the topic when Kafka compacts it. This cannot be undone.</p>
        ) : (
          <>
            <p>Each goes back to the topic of plays exactly once, and counts as played now, after everything its listener has played since. A null value forgets its listener now.</p>
            <p class="note">Those that a worker would refuse again as they are stay here, and are reported. First fix what refused them: a clock, a partitioner, a worker.</p>
          </>
        )}
        {error !== null && <Failure error={error} />}
        <div class="row end">
          <button type="button" onClick={onClose}>Cancel</button>
          <button type="button" class={deed === "discard" ? "danger" : "primary"} disabled={isAsking} onClick={act}>
            {isAsking ? "Working…" : deed === "discard" ? "Discard" : "Send again"}
          </button>
        </div>
      </div>
    </Dialog>
  );
}
