/** A listener's way over the map: their taste after each play they are remembered by. */
import type { Horizon } from "../contract";
import type { Point } from "./camera";

/** What the worker answers: for each play its number, for each horizon a point of the map. */
export interface PathAnswer {
  readonly release: string;
  readonly plays: readonly number[];
  readonly horizons: readonly { readonly horizon: Horizon; readonly points: readonly Point[] }[];
}

/** The path up to a play: what was played after it is left out, until the view of it arrives. */
export function pathUntil(path: PathAnswer, newest: number): PathAnswer {
  const count = path.plays.filter((play) => play <= newest).length;
  if (count === path.plays.length) return path;
  const horizons = path.horizons.map(({ horizon, points }) => ({ horizon, points: points.slice(0, count) }));
  return { ...path, plays: path.plays.slice(0, count), horizons };
}

/** The taste at a moment between two plays: `moment` 0 is after the first play, `points.length - 1` after the last. */
export function tasteAt(points: readonly Point[], moment: number): Point | null {
  if (points.length === 0) return null;
  const last = points.length - 1;
  const at = Math.min(Math.max(moment, 0), last);
  const index = Math.min(Math.floor(at), last);
  const [from, to] = [points[index]!, points[Math.min(index + 1, last)]!];
  const share = settle(at - index);
  return [from[0] + (to[0] - from[0]) * share, from[1] + (to[1] - from[1]) * share];
}

/** The way up to a moment, whose end is the taste then. */
export function wayUntil(points: readonly Point[], moment: number): Point[] {
  const end = tasteAt(points, moment);
  if (end === null) return [];
  return [...points.slice(0, Math.min(Math.floor(Math.max(moment, 0)), points.length - 1) + 1), end];
}

/** How strongly each stretch of a way is drawn: the latest wholly, older ones less, none below a tenth. */
export function fading(index: number, moment: number, memory = 14): number {
  return Math.max(0.1, Math.exp(-Math.max(moment - index - 1, 0) / memory));
}

/** A head leaves a play slowly and arrives slowly, so that each play is seen as one step. */
function settle(share: number): number {
  return share * share * (3 - 2 * share);
}
