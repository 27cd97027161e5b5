/** A figure with its 95 % interval, as a dot with whiskers on a scale that its column shares. */
import type { Interval } from "../contract";
import { signed } from "../format";
import { type Scale, isSignificant, placeOf } from "./scale";

interface Props {
  readonly name: string;
  readonly interval: Interval;
  readonly scale: Scale;
  /** Where a line across all rows is drawn: the champion's figure, or zero. */
  readonly guide?: number | undefined;
  readonly tone?: "champion" | "difference" | "plain";
}

export function Whisker({ name, interval, scale, guide, tone = "plain" }: Props) {
  const at = (figure: number) => `${(100 * placeOf(scale, figure)).toFixed(2)}%`;
  const isDifference = tone === "difference";
  const show = (figure: number) => (isDifference ? signed(figure, 3) : figure.toFixed(3));
  const kind = isDifference ? (isSignificant(interval) ? (interval.low > 0 ? "better" : "worse") : "even") : tone;
  return (
    <span class="whisker">
      <svg class={kind} width="100%" height="20" role="img" aria-label={`${name} ${show(interval.mean)}, interval ${show(interval.low)} to ${show(interval.high)}`}>
        {guide !== undefined && <line class="guide" x1={at(guide)} x2={at(guide)} y1="0" y2="20" />}
        <line class="range" x1={at(interval.low)} x2={at(interval.high)} y1="10" y2="10" />
        <line class="end" x1={at(interval.low)} x2={at(interval.low)} y1="7" y2="13" />
        <line class="end" x1={at(interval.high)} x2={at(interval.high)} y1="7" y2="13" />
        <circle cx={at(interval.mean)} cy="10" r="4" />
      </svg>
      <span class="mean" aria-hidden="true">{show(interval.mean)}</span>
    </span>
  );
}

/** The ticks of a column's scale. */
export function Axis({ scale, isDifference = false }: { scale: Scale; isDifference?: boolean }) {
  return (
    <span class="whisker axis" aria-hidden="true">
      <svg width="100%" height="16">
        {scale.ticks.map((tick) => (
          <text key={tick} x={`${(100 * placeOf(scale, tick)).toFixed(2)}%`} y="11" text-anchor="middle">
            {isDifference ? signed(tick, decimalsOf(scale)) : tick.toFixed(decimalsOf(scale))}
          </text>
        ))}
      </svg>
      <span class="mean" />
    </span>
  );
}

/** As many decimals as tell neighbouring ticks apart. */
function decimalsOf({ ticks }: Scale): number {
  const step = ticks.length > 1 ? ticks[1]! - ticks[0]! : 0.1;
  return Math.min(Math.max(Math.ceil(-Math.log10(step) - 1e-9), 1), 4);
}
