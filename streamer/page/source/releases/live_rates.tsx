/** The live hit rates: how well each release's lists were met while it answered, as a small picture over time. */
import { useRef } from "preact/hooks";
import type { ListedRelease } from "../contract";
import { number, plural, short } from "../format";
import { useWidth } from "../parts/width";
import { type Picture, type Reign, pictureOf, timesWithin } from "./reigns";

const HEIGHT = 148;
const [LEFT, RIGHT, TOP, BOTTOM] = [44, 8, 10, 24];
const PIXELS_A_TIME = 110;
const SHORTEST = 6; // pixels, so that a short reign is seen

const HOUR = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export function LiveRates({ releases }: { releases: readonly ListedRelease[] }) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const picture = pictureOf(releases);
  return (
    <section aria-labelledby="live-rates">
      <header class="section">
        <h2 id="live-rates">While they answered</h2>
        <span class="note">the next play was in the short-term list before it; the bar is its 95 % interval</span>
      </header>
      <div ref={place} class="live-rates">
        {picture === null
          ? <p class="note">No list was followed by a play yet. The first rates are here a few plays after a release begins to answer.</p>
          : width > 0 && <Drawn picture={picture} width={width} />}
      </div>
    </section>
  );
}

function Drawn({ picture, width }: { picture: Picture; width: number }) {
  const { fromMs, toMs, most, ticks, reigns } = picture;
  const x = (ms: number) => LEFT + ((ms - fromMs) / Math.max(toMs - fromMs, 1)) * (width - LEFT - RIGHT);
  const y = (rate: number) => HEIGHT - BOTTOM - (rate / most) * (HEIGHT - TOP - BOTTOM);
  const times = timesWithin(fromMs, toMs, Math.max(Math.floor((width - LEFT - RIGHT) / PIXELS_A_TIME), 1));
  const isLong = toMs - fromMs > 36 * 3_600_000;
  return (
    <svg width={width} height={HEIGHT} role="img" aria-label={inWords(reigns)}>
      {ticks.map((tick) => (
        <g key={tick} class="tick">
          <line x1={LEFT} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} />
          <text x={LEFT - 8} y={y(tick) + 4} text-anchor="end">{percent(tick)}</text>
        </g>
      ))}
      {times.map((ms) => (
        <text key={ms} class="time" x={x(ms)} y={HEIGHT - 6} text-anchor="middle">{(isLong ? DAY : HOUR).format(ms)}</text>
      ))}
      {reigns.map((reign) => <Bar key={reign.key} reign={reign} left={x(reign.fromMs)} right={Math.max(x(reign.toMs), x(reign.fromMs) + SHORTEST)} y={y} />)}
    </svg>
  );
}

function Bar({ reign, left, right, y }: { reign: Reign; left: number; right: number; y: (rate: number) => number }) {
  const words = `${reign.id}: ${percent(reign.rate)} of ${plural(reign.plays, "play")}, interval ${percent(reign.low)} to ${percent(reign.high)}`;
  return (
    <g class={`reign ${reign.isChampion ? "champion" : ""}`}>
      <title>{words}</title>
      <rect x={left} y={y(reign.high)} width={right - left} height={Math.max(y(reign.low) - y(reign.high), 2)} rx="2" />
      <line x1={left} x2={right} y1={y(reign.rate)} y2={y(reign.rate)} />
      {reign.popularity !== null && <line class="popularity" x1={left} x2={right} y1={y(reign.popularity)} y2={y(reign.popularity)} />}
      {right - left > 46 && <text x={(left + right) / 2} y={y(reign.high) - 5} text-anchor="middle">{percent(reign.rate)}</text>}
    </g>
  );
}

export function percent(share: number): string {
  return `${number(100 * share)} %`;
}

function inWords(reigns: readonly Reign[]): string {
  const each = reigns.map(({ id, rate, low, high, plays }) => `${short(id, 15)} ${percent(rate)}, ${percent(low)} to ${percent(high)}, of ${plural(plays, "play")}`);
  return `Live hit rates, oldest first. ${each.join(". ")}.`;
}
