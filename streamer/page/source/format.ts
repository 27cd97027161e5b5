/** Numbers, times and durations as people read them. */

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });

/** Three digits that count, or as many as there are; an en dash where nothing is known. */
export function number(value: number | null | undefined): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  if (size >= 100 || Number.isInteger(value)) return WHOLE.format(value).replace(/,/g, " ").replace("-", "−");
  return value.toFixed(size >= 10 ? 1 : 2).replace("-", "−");
}

/** With its sign, for what adds to a score. */
export function signed(value: number, digits = 2): string {
  return `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
}

/** Seconds as the largest unit that fits: 8 s, 3 min, 2 h, 5 d. */
export function duration(seconds: number): string {
  const size = Math.max(0, seconds);
  if (size < 90) return `${Math.round(size)} s`;
  if (size < 5400) return `${Math.round(size / 60)} min`;
  if (size < 129_600) return `${Math.round(size / 3600)} h`;
  return `${Math.round(size / 86_400)} d`;
}

/** Plays that were replayed or simulated may be years old: then the date says more. */
const LONG_AGO_S = 60 * 86_400;

export function ago(ms: number, nowMs: number): string {
  const seconds = (nowMs - ms) / 1000;
  if (seconds > LONG_AGO_S) return day(ms);
  return seconds < 1 ? "now" : `${duration(seconds)} ago`;
}

export function clock(ms: number): string {
  return CLOCK.format(ms);
}

export function day(ms: number): string {
  return DAY.format(ms);
}

export function bytes(size: number): string {
  if (size < 1000) return `${size} B`;
  return size < 1_000_000 ? `${(size / 1000).toFixed(1)} kB` : `${(size / 1_000_000).toFixed(1)} MB`;
}

/** The beginning of a long id, enough to know it by. */
export function short(id: string, length = 12): string {
  return id.length > length ? `${id.slice(0, length)}…` : id;
}

/** The end of a release's id, which tells it from others of the same day. */
export function hashOf(release: string): string {
  return release.slice(release.lastIndexOf("-") + 1);
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** A code of the worker, such as a cause or a trigger, as people read it. */
export function inWords(code: string): string {
  return code.replaceAll(/[_-]/g, " ").replace(/\bjson\b/, "JSON");
}
