// The messages of Refrain as types; docs/schemas describes each field.

/** A listener played a track. */
export interface Play {
  user_id: string;
  track_id: string;
  played_at: number | string; // milliseconds since 1970, or RFC 3339 with a UTC offset
  context?: string | null;
  ms_played?: number | null;
  duration_ms?: number | null;
  skipped?: boolean | null;
}

/** One track of a list. */
export interface RankedTrack {
  track_id: string;
  score: number; // relative to the first track of the list
}

/** What a listener may play next (short-term), or discover (long-term), best first. */
export interface Recommendation {
  user_id: string;
  horizon: "short-term" | "long-term";
  tracks: RankedTrack[];
  release: string;
  plays_seen: number;
  source_partition: number;
  source_offset: number;
  played_at: number;
  emitted_at: number;
}
