/** The panel beside the map: puts a listener on the map, and is its legend. */
import { useRef, useState } from "preact/hooks";
import { number } from "../format";
import { choose, chooseAnybody } from "../listener/chosen";
import type { Following } from "../listener/following";
import { UserId, typedIn, visible } from "../parts/user_id";
import { toast } from "../toasts";
import { type Atlas, nameOfRegion } from "./atlas";
import type { Region } from "./scene";
import { Swatch } from "./swatch";
import { walk } from "./walk";

/** Choose somebody who plays right now; says so if nobody does. */
export function anybody(): Promise<void> {
  return chooseAnybody().catch((error: Error) => toast(error.message, "failed"));
}

export function ListenerField() {
  const [text, setText] = useState("");
  const [isAsking, setIsAsking] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  const submit = (event: Event) => {
    event.preventDefault();
    const id = typedIn(field.current); // not what was drawn a frame ago
    if (id) choose(id);
  };
  const ask = () => {
    setIsAsking(true);
    void anybody().finally(() => setIsAsking(false));
  };
  return (
    <form class="map-listener" noValidate onSubmit={submit}>
      <input ref={field} aria-label="User id" placeholder="Put a user id on the map" autoComplete="off" spellcheck={false} value={text}
        onInput={(event) => setText(event.currentTarget.value)} />
      {text.trim() ? <button type="submit" class="primary">Follow</button>
        : <button type="button" disabled={isAsking} title="Somebody who plays right now" onClick={ask}>Somebody</button>}
    </form>
  );
}

export function Followed({ user, following }: { user: string; following: Following }) {
  return (
    <div class="map-followed">
      <p class="row">
        <a class="map-who" href="#/listener" title={`${visible(user)}: plays and lists`}><UserId id={user} /></a>
        <button type="button" class="quiet" onClick={() => choose("")}>Leave</button>
      </p>
      {walk.value === null ? <Waiting following={following} /> : <Key />}
      {walk.value !== null && following.error !== null && <p class="note warned" role="status">{following.error.message}</p>}
    </div>
  );
}

/** Why the listener is not on the map. */
function Waiting({ following: { view, error } }: { following: Following }) {
  if (error !== null) return <p class="note warned" role="status">{error.message}</p>;
  if (view === null) return <p class="note" role="status">Asking the worker that has this listener…</p>;
  if (view.release === null) return <p class="note" role="status">No release answers yet, so there is no taste to draw.</p>;
  if (view.plays.length === 0) return <p class="note" role="status">They have not played here yet. The map follows their first play.</p>;
  return <p class="note" role="status">Looking for their way…</p>;
}

function Key() {
  return (
    <ul class="map-key">
      <li class="short-term"><i aria-hidden="true" />short-term taste <span class="aside">○ its list</span></li>
      <li class="long-term"><i aria-hidden="true" />long-term taste <span class="aside">◇ its list</span></li>
      <li class="plays"><i aria-hidden="true" />plays, the latest strongest</li>
    </ul>
  );
}

interface RegionsProps {
  readonly atlas: Atlas;
  readonly only: number | null;
  readonly onPick: (region: Region) => void;
}

export function Regions({ atlas, only, onPick }: RegionsProps) {
  const regions = [...atlas.regions].sort((a, b) => b.tracks - a.tracks);
  return (
    <ul class="map-regions" aria-label="Regions">
      {regions.map((region, index) => (
        <li key={index}>
          <button type="button" class="quiet" aria-pressed={only === region.group} onClick={() => onPick(region)}>
            <Swatch group={region.group} />
            <span class="name">{nameOfRegion(region)}</span>
            <span class="aside">{number(region.tracks)}</span>
          </button>
        </li>
      ))}
    </ul>
  );
}
