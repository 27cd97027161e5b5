/** What the queries of a worker ask and answer, as in docs/openapi.json. */

export type Horizon = "short-term" | "long-term";

export interface Access {
  needs_token: boolean;
  rights: ("read" | "act")[];
}

export interface Figures {
  at_ms: number;
  plays_per_s: number;
  /** Lists written, of both horizons together. */
  answers_per_s: number;
  dead_letters_per_s: number;
  lag_plays: number | null;
  lag_s: number | null;
  latency_p50_ms: number | null;
  latency_p99_ms: number | null;
  batch_plays: number | null;
  step_cpu_us: number | null;
  /** null without one, and where workers differ. */
  release: string | null;
  partitions: number;
}

/** One second after another, oldest first: a column of each figure. */
export type FiguresHistory = { [name in keyof Figures]: Figures[name][] };

export interface FiguresEvent {
  merged: Figures;
  workers: Record<string, Figures>;
}

export interface Worker {
  identity: string;
  url: string | null;
  is_self: boolean;
  is_reachable: boolean;
  partitions: number[];
  standbys: number[];
  release: string | null;
}

export interface Workers {
  state: "stable" | "moving";
  workers: Worker[];
  num_partitions: number;
}

export interface LetterPlace {
  partition: number;
  offset: number;
}

export interface LetterSummary extends LetterPlace {
  cause: string;
  reason: string;
  at: number;
  source: { topic: string; partition: number; offset: number } | null;
  num_bytes: number;
  sent_again: boolean;
  times_sent: number;
  key: string | null;
  value: string | null;
}

export interface Letters {
  causes: Record<string, number>;
  letters: LetterSummary[];
  next: string | null;
  looked_at: number;
  is_whole: boolean;
  foreign: number;
}

type Encoding = "utf-8" | "base64";

export interface Letter extends LetterSummary {
  headers: Record<string, string>;
  key_encoding: Encoding;
  value_encoding: Encoding;
  is_cut: boolean;
  refusal: string | null;
}

export interface LettersDone {
  done: number;
  refused: (LetterPlace & { reason: string })[];
}

export interface Interval {
  mean: number;
  low: number;
  high: number;
}

export type Intervals = Record<string, Interval>;

export interface Judgement {
  passed: boolean | null;
  verdict: string | null;
  judged: { num_plays: number; num_listeners: number } | null;
  figures: Intervals;
  champion: string | null;
  differences: Intervals;
  baselines: Record<string, Intervals>;
}

/** How often the next play was in the short-term list before it. */
export interface LiveHits {
  release: string;
  /** When it became champion; one that is rolled back to, once more. */
  promoted_at: number;
  answered_from: number;
  answered_to: number;
  listeners: number;
  plays: number;
  hit_rate_at_20: number | null;
  low: number;
  high: number;
  popularity_hit_rate_at_20: number | null;
}

export interface ListedRelease {
  id: string;
  location: string;
  mark: "champion" | "before" | "";
  is_champion: boolean;
  created_at_ms: number | null;
  window: { from_ms: number; until_ms: number; num_plays: number; num_listeners: number } | null;
  hit_rate_at_20: number | null;
  judgement: Judgement | null;
  fault: string | null;
  answered_from: number | null;
  answered_to: number | null;
  /** Each time it answered, oldest first. */
  live: LiveHits[];
}

export interface Refusal {
  at_ms: number;
  trigger: string;
  champion: string | null;
  reason: string;
  verdict: string;
}

export interface Releases {
  champion: string | null;
  releases: ListedRelease[];
  num_older: number;
  refusals: Refusal[];
  warning: string | null;
}

export interface Promoted {
  champion: string;
  previous: string | null;
  skipped: string[];
}

export interface RememberedPlay {
  number: number;
  track_key: string;
  track_id: string | null;
  played_at: number;
  context: string;
  skipped: boolean;
  repeats: boolean;
}

export interface Why {
  words: string[];
  cosine: number;
  ring: { plays_ago: number; total: number; recency: number | null; times: number | null; bigram: number | null } | null;
  because: { track_id: string; plays_ago: number; loss: number }[];
  counts: Record<string, number> | null;
  second_stage: { logit: number; mean: number; contributions: Record<string, number> } | null;
}

export interface ShownTrack {
  track_id: string;
  score: number;
  why: Why | null;
}

export interface ShownList {
  horizon: Horizon;
  tracks: ShownTrack[];
}

export interface Lineage {
  partition: number;
  source_offset: number;
  played_at: number;
  plays_seen: number;
  plays_folded: number;
  repeats_seen: number;
  release: string | null;
  release_key: string;
  promoted_at: number | null;
  state_bytes: number;
}

export interface ListenerView {
  user_id: string;
  release: string | null;
  lineage: Lineage | null;
  is_rebuilt: boolean;
  plays: RememberedPlay[];
  counts: { track_key: string; track_id: string | null; plays: number }[];
  lists: ShownList[];
}

export interface ImaginedPlay {
  track_id: string;
  played_at?: number;
  context?: string;
  skipped?: boolean;
}

export interface WhatIf {
  user_id: string;
  release: string;
  is_rebuilt: boolean;
  num_covered: number;
  before: ShownList[];
  after: ShownList[];
}

export interface Track {
  row: number | null;
  track_id: string;
  title: string | null;
  artists: string[] | null;
  album: string | null;
  released: string | null;
  duration_ms: number | null;
  tags: string[] | null;
  is_withdrawn: boolean;
  popularity: number | null;
}
