/** A common scale for intervals: where a figure is on it, and its ticks. */
import type { Interval } from "../contract";

export interface Scale {
  readonly low: number;
  readonly high: number;
  readonly ticks: readonly number[];
}

const NUM_TICKS = 3;
const ROOM = 0.06; // of the range, beyond the outermost ends

/** The scale on which all intervals fit; with zero on it if that is asked, for differences. Null if there are none. */
export function scaleOf(intervals: readonly Interval[], { withZero = false } = {}): Scale | null {
  if (intervals.length === 0) return null;
  const ends = intervals.flatMap(({ low, mean, high }) => [low, mean, high]);
  if (withZero) ends.push(0);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  const room = (high - low || Math.abs(high) || 1) * ROOM;
  const range = { low: low - room, high: high + room };
  return { ...range, ticks: ticksOf(range.low, range.high) };
}

/** Round numbers within a range, about as many as fit below a small picture. */
export function ticksOf(low: number, high: number, wanted = NUM_TICKS): number[] {
  const rough = (high - low) / wanted;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough * (1 - 1e-9)) ?? rough;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(12)) + 0);
}

/** Where a figure is, as a share of the scale. */
export function placeOf({ low, high }: Scale, figure: number): number {
  return (figure - low) / (high - low);
}

/** Whether an interval says more than chance: it excludes zero. */
export function isSignificant({ low, high }: Interval): boolean {
  return low > 0 || high < 0;
}
