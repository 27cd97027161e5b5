/** Where plays are on the time line: one step each, with a break where the listener paused. */
import type { RememberedPlay } from "../contract";

/** A longer pause ends a session. */
const PAUSE_MS = 30 * 60_000;
export const BREAK = 40;
const LEAST_STEP = 13;
const MOST_STEP = 26;
export const MARGIN = 14;

export interface Placed {
  play: RememberedPlay;
  x: number;
  /** Before it, if a session begins here. */
  pauseMs: number | null;
  /** Index of the play of the same track that came before, if it is remembered. */
  repeatOf: number | null;
}

export interface Run {
  context: string;
  from: number;
  to: number;
}

export interface Layout {
  placed: Placed[];
  runs: Run[];
  step: number;
  width: number;
}

/** Lay plays out from left to right, oldest first; `plays` are latest first, as they are answered. */
export function layOut(plays: readonly RememberedPlay[], width: number, numAdded: number): Layout {
  const oldestFirst = [...plays].reverse();
  const pauses = oldestFirst.map((play, i) => play.played_at - (oldestFirst[i - 1]?.played_at ?? play.played_at));
  const breaks = pauses.filter((ms) => ms > PAUSE_MS).length;
  const steps = Math.max(1, oldestFirst.length + numAdded - 1);
  const step = Math.min(MOST_STEP, Math.max(LEAST_STEP, (width - 2 * MARGIN - breaks * BREAK) / steps));
  const latest = new Map<string, number>();
  let x = MARGIN;
  const placed = oldestFirst.map((play, i): Placed => {
    const pauseMs = pauses[i] ?? 0;
    if (i) x += step + (pauseMs > PAUSE_MS ? BREAK : 0);
    const repeatOf = latest.get(play.track_key) ?? null;
    latest.set(play.track_key, i);
    return { play, x, pauseMs: pauseMs > PAUSE_MS ? pauseMs : null, repeatOf };
  });
  return { placed, runs: runsOf(placed), step, width: x + numAdded * step + MARGIN };
}

/** Stretches of plays of one context within a session. */
function runsOf(placed: readonly Placed[]): Run[] {
  const runs: Run[] = [];
  placed.forEach(({ play, x, pauseMs }, i) => {
    const last = runs[runs.length - 1];
    const continues = last && pauseMs === null && placed[i - 1]?.play.context === play.context;
    if (continues) last.to = x;
    else runs.push({ context: play.context, from: x, to: x });
  });
  return runs.filter(({ context }) => context !== "none");
}

/** An arc from one play to the next of the same track, higher the further apart they are. */
export function arc(from: number, to: number, base: number, highest: number): string {
  const height = Math.min(highest, 6 + (to - from) * 0.22);
  return `M${from} ${base}C${from + (to - from) * 0.2} ${base - height * 1.32} ${to - (to - from) * 0.2} ${base - height * 1.32} ${to} ${base}`;
}
