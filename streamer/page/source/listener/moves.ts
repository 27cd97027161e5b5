/** How tracks move between two lists, the same list before and after something. */
import type { ShownTrack } from "../contract";

export interface Move {
  /** Places gained; null for a track that was not in the list before. */
  by: number | null;
}

/** The move of each track of `after`, by its id. */
export function movesOf(before: readonly ShownTrack[], after: readonly ShownTrack[]): Map<string, Move> {
  const ranks = new Map(before.map(({ track_id }, rank) => [track_id, rank]));
  return new Map(after.map(({ track_id }, rank) => {
    const old = ranks.get(track_id);
    return [track_id, { by: old === undefined ? null : old - rank }];
  }));
}

/** Tracks that were in the list and are no longer. */
export function leftOf(before: readonly ShownTrack[], after: readonly ShownTrack[]): ShownTrack[] {
  const kept = new Set(after.map(({ track_id }) => track_id));
  return before.filter(({ track_id }) => !kept.has(track_id));
}
