/** Reigns: when each release answered, and how well its lists were met, as a picture over time. */
import type { ListedRelease, LiveHits } from "../contract";
import { ticksOf } from "./scale";

export interface Reign {
  readonly key: string;
  readonly id: string;
  readonly isChampion: boolean;
  readonly fromMs: number;
  readonly toMs: number;
  readonly plays: number;
  readonly rate: number;
  readonly low: number;
  readonly high: number;
  readonly popularity: number | null;
}

export interface Picture {
  readonly reigns: readonly Reign[];
  readonly fromMs: number;
  readonly toMs: number;
  /** The top of the scale of rates, which begins at zero. */
  readonly most: number;
  readonly ticks: readonly number[];
}

/** The reigns that were measured, oldest first; null if none was. */
export function pictureOf(releases: readonly ListedRelease[]): Picture | null {
  const reigns = releases.flatMap(reignsOf).sort((a, b) => a.fromMs - b.fromMs);
  if (reigns.length === 0) return null;
  const most = Math.max(...reigns.flatMap(({ high, popularity }) => [high, popularity ?? 0]), 0.01);
  const ticks = ticksOf(0, most * 1.05, 3);
  return {
    reigns,
    fromMs: reigns[0]!.fromMs,
    toMs: Math.max(...reigns.map(({ toMs }) => toMs)),
    most: Math.max(most * 1.05, ticks[ticks.length - 1]!),
    ticks,
  };
}

function reignsOf(release: ListedRelease): Reign[] {
  const present = presentOf(release);
  return release.live.flatMap((live): Reign[] => (live.hit_rate_at_20 === null ? [] : [{
    key: `${release.id} ${live.promoted_at}`,
    id: release.id,
    isChampion: live === present,
    fromMs: live.answered_from,
    toMs: Math.max(live.answered_to, live.answered_from + 1),
    plays: live.plays,
    rate: live.hit_rate_at_20,
    low: live.low,
    high: live.high,
    popularity: live.popularity_hit_rate_at_20,
  }]));
}

/** How the champion fares since it was promoted last, or rolled back to. */
export function presentOf({ is_champion, live, answered_from }: ListedRelease): LiveHits | undefined {
  const latest = live[live.length - 1];
  return is_champion && latest && latest.promoted_at >= (answered_from ?? 0) ? latest : undefined;
}

const STEPS_MS = [1, 5, 15, 60, 180, 720, 1440, 7 * 1440, 30 * 1440].map((minutes) => minutes * 60_000);

/** Round times within a range, at most so many. */
export function timesWithin(fromMs: number, toMs: number, most: number): number[] {
  const step = STEPS_MS.find((size) => (toMs - fromMs) / size <= most) ?? (toMs - fromMs) / most;
  const offset = new Date(fromMs).getTimezoneOffset() * 60_000;
  const first = Math.ceil((fromMs - offset) / step) * step + offset;
  return Array.from({ length: Math.max(Math.floor((toMs - first) / step) + 1, 0) }, (_, i) => first + i * step);
}
