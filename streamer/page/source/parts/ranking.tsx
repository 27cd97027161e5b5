/** A list of a listener, best first: rows move as it changes, and open to show why. */
import { useMemo, useRef, useState } from "preact/hooks";
import type { ShownList, ShownTrack } from "../contract";
import { type Move, movesOf } from "../listener/moves";
import { useFlip } from "./flip";
import { MoveSign } from "./move";
import { Loading } from "./state";
import { TrackName } from "./track";
import { Reasons } from "./why";

/** As many as people look at; the rest is behind a button. */
export const SHOWN = 20;
export const HORIZON_WORDS = { "short-term": "next", "long-term": "in the long run" } as const;

/** @param opened the track whose reasons are shown, if any */
export function Ranking({ list, opened, onOpen }:
  { list: ShownList; opened: string | null; onOpen: (track: string | null) => void }) {
  const rows = useRef<HTMLOListElement>(null);
  const moves = useMoves(list.tracks);
  useFlip(rows);
  const [isWhole, setIsWhole] = useState(false);
  const shown = isWhole ? list.tracks : list.tracks.slice(0, SHOWN);
  const scores = shown.map(({ score }) => score);
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  return (
    <>
      <ol ref={rows} class={`ranking ${list.horizon}`}>
        {shown.map((track, rank) => (
          <li key={rank} data-key={track.track_id}>
            <Row track={track} rank={rank} move={moves.get(track.track_id)} share={high > low ? (track.score - low) / (high - low) : 1}
              isOpen={opened === track.track_id} onToggle={() => onOpen(opened === track.track_id ? null : track.track_id)} />
          </li>
        ))}
      </ol>
      {list.tracks.length > SHOWN && (
        <button type="button" class="quiet whole" aria-expanded={isWhole} onClick={() => setIsWhole(!isWhole)}>
          {isWhole ? `Only the first ${SHOWN}` : `All ${list.tracks.length}`}
        </button>
      )}
    </>
  );
}

function Row({ track, rank, move, share, isOpen, onToggle }:
  { track: ShownTrack; rank: number; move: Move | undefined; share: number; isOpen: boolean; onToggle: () => void }) {
  return (
    <>
      <button type="button" class="rank-row" aria-expanded={isOpen} onClick={onToggle}>
        <span class="rank">{rank + 1}</span>
        <MoveSign move={move} />
        <TrackName id={track.track_id} />
        <span class="score"><i style={{ transform: `scaleX(${0.06 + share * 0.94})` }} aria-hidden="true" />{track.score.toFixed(2)}</span>
      </button>
      {isOpen && (track.why ? <Reasons why={track.why} /> : <Loading what="the reasons" />)}
    </>
  );
}

/** Moves since the list was last another one; a list that comes again alike, with reasons or without, keeps them. */
function useMoves(tracks: readonly ShownTrack[]): Map<string, Move> {
  const before = useRef(tracks);
  return useMemo(() => {
    const moves = movesOf(before.current, tracks);
    before.current = tracks;
    return moves;
  }, [tracks.map(({ track_id }) => track_id).join("\n")]);
}
