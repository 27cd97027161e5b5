/** A list before and after what is imagined, side by side; a line leads from each track's old place to its new one. */
import { useRef } from "preact/hooks";
import type { ShownList, ShownTrack } from "../contract";
import { leftOf, movesOf } from "../listener/moves";
import { useFlip } from "./flip";
import { MoveSign } from "./move";
import { SHOWN } from "./ranking";
import { TrackName } from "./track";

const ROW = 30;

export function Comparison({ before, after }: { before: ShownList; after: ShownList }) {
  const list = useRef<HTMLOListElement>(null);
  useFlip(list);
  const moves = movesOf(before.tracks, after.tracks);
  const gone = leftOf(before.tracks.slice(0, SHOWN), after.tracks);
  const ids = new Set(gone.map(({ track_id }) => track_id));
  return (
    <div class={`comparison ${after.horizon}`}>
      <ol class="was" aria-label="as it is">
        {before.tracks.slice(0, SHOWN).map(({ track_id }, rank) => (
          <li key={track_id} class={ids.has(track_id) ? "gone" : ""}><span class="rank">{rank + 1}</span><TrackName id={track_id} /></li>
        ))}
      </ol>
      <Slopes before={before.tracks} after={after.tracks} />
      <ol ref={list} class="would" aria-label="as it would be">
        {after.tracks.slice(0, SHOWN).map(({ track_id }, rank) => (
          <li key={track_id} data-key={track_id}>
            <span class="rank">{rank + 1}</span><MoveSign move={moves.get(track_id)} /><TrackName id={track_id} />
          </li>
        ))}
      </ol>
      {gone.length > 0 && (
        <p class="left note">No longer in the list: {gone.map(({ track_id }, i) => <span key={track_id}>{i > 0 && ", "}<TrackName id={track_id} /></span>)}</p>
      )}
    </div>
  );
}

function Slopes({ before, after }: { before: readonly ShownTrack[]; after: readonly ShownTrack[] }) {
  const ranks = new Map(before.map(({ track_id }, rank) => [track_id, rank]));
  const shown = after.slice(0, SHOWN);
  const height = Math.max(Math.min(before.length, SHOWN), shown.length) * ROW;
  return (
    <svg class="slopes" viewBox={`0 0 48 ${height}`} width="48" height={height} aria-hidden="true">
      {shown.map(({ track_id }, rank) => {
        const from = ranks.get(track_id);
        if (from === undefined) return <circle key={track_id} class="new" cx="44" cy={(rank + 0.5) * ROW} r="2.5" />;
        const [y0, y1] = [Math.min((from + 0.5) * ROW, height), (rank + 0.5) * ROW];
        const kind = rank < from ? "up" : rank > from ? "down" : "same";
        return <path key={track_id} class={kind} d={`M2 ${y0}C24 ${y0} 24 ${y1} 46 ${y1}`} />;
      })}
    </svg>
  );
}
