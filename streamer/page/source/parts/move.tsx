/** How far a track moved in its list, as a small sign. */
import { number } from "../format";
import type { Move } from "../listener/moves";

export function MoveSign({ move }: { move: Move | undefined }) {
  if (!move || move.by === 0) return <span class="move" />;
  if (move.by === null) return <span class="move new">new</span>;
  const isUp = move.by > 0;
  return (
    <span class={`move ${isUp ? "up" : "down"}`}>
      <svg viewBox="0 0 8 8" width="7" height="7" aria-hidden="true"><path d={isUp ? "M4 1 7.5 7h-7z" : "M4 7 .5 1h7z"} /></svg>
      <span class="unseen">{isUp ? "up" : "down"}</span>{number(Math.abs(move.by))}
    </span>
  );
}
