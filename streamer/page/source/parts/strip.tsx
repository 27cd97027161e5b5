/** A strip: some figures over the last minutes, their names and values to the left; all strips share one cursor. */
import { effect, signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import type { Figures } from "../contract";
import { clock, number } from "../format";
import { KEPT_S, figures } from "../live";
import { theme, tokenOf } from "../theme";
import { useWidth } from "./width";

export interface Line {
  of: keyof Figures;
  unit: string;
  /** What the line is, where a strip has two. */
  label?: string;
  tone: "accent" | "ink" | "faint";
  isFilled?: boolean;
}

/** The second under the pointer or the keys, of `figures`; null: the latest one. */
export const picked = signal<number | null>(null);

const HEIGHT = 112;
/** A worker that has just started shows this much, or as much as it has. */
const LEAST_S = 60;
const TIMES_HEIGHT = 22;
/** A worker says its figures once a second; where it did not for longer, the line has a gap. */
const GAP_S = 3;
const TONES = { accent: "--accent", ink: "--ink-2", faint: "--rule-strong" } as const;

export function Strip({ name, lines, hasTimes = false }: { name: string; lines: readonly Line[]; hasTimes?: boolean }) {
  const all = figures.value;
  const shown = all[picked.value ?? all.length - 1];
  return (
    <section class="strip" aria-label={name}>
      <div class="strip-label">
        <h2>{name}</h2>
        {lines.map(({ of, label, unit, tone }) => (
          <p key={of} class="strip-value">
            <b>{number(shown?.[of] as number | null | undefined)}</b>
            <span>{unit}</span>
            {label && <span class="line"><i class={`tone ${tone}`} aria-hidden="true" />{label}</span>}
          </p>
        ))}
      </div>
      <Plot lines={lines} hasTimes={hasTimes} />
    </section>
  );
}

function Plot({ lines, hasTimes }: { lines: readonly Line[]; hasTimes: boolean }) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const width = useWidth(place);
  useLayoutEffect(() => {
    if (!place.current) return undefined;
    const drawn = new uPlot(optionsOf(lines, hasTimes), columnsOf(lines, figures.peek()), place.current);
    plot.current = drawn;
    const stops = [
      effect(() => drawn.setData(columnsOf(lines, figures.value))),
      effect(() => { void theme.value; drawn.redraw(false, true); }),
      effect(() => showPicked(drawn, picked.value)),
    ];
    return () => { for (const stop of stops) stop(); drawn.destroy(); };
  }, [lines, hasTimes]);
  useEffect(() => {
    if (width) plot.current?.setSize({ width, height: HEIGHT + (hasTimes ? TIMES_HEIGHT : 0) });
  }, [width, hasTimes]);
  return <div ref={place} class="plot" aria-hidden="true" />;
}

/** Move the cursor to a second that was picked in another strip, or by keys. */
function showPicked(plot: uPlot, index: number | null): void {
  const second = index === null ? undefined : figures.peek()[index];
  const left = second ? plot.valToPos(second.at_ms / 1000, "x") : -10;
  plot.setCursor({ left, top: -10 }, false);
}

function columnsOf(lines: readonly Line[], all: readonly Figures[]): uPlot.AlignedData {
  const times: number[] = [];
  const columns: (number | null)[][] = lines.map(() => []);
  let lastS = 0;
  for (const second of all) {
    const atS = second.at_ms / 1000;
    if (lastS && atS - lastS > GAP_S) {
      times.push(lastS + 1);
      for (const column of columns) column.push(null);
    }
    times.push(atS);
    lines.forEach(({ of }, i) => columns[i]?.push(second[of] as number | null));
    lastS = atS;
  }
  return [times, ...columns];
}

function optionsOf(lines: readonly Line[], hasTimes: boolean): uPlot.Options {
  const font = '11px "Geist", sans-serif';
  const faint = () => tokenOf("--ink-3");
  const rule = { stroke: () => tokenOf("--rule"), width: 1 };
  return {
    width: 300,
    height: HEIGHT + (hasTimes ? TIMES_HEIGHT : 0),
    padding: [8, 0, hasTimes ? 0 : 6, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6, width: 0 }, drag: { x: false, y: false }, bind: { dblclick: () => null } },
    scales: {
      x: { time: true, range: (_, min, max) => [Math.max(max - KEPT_S, Math.min(min, max - LEAST_S)), max] },
      y: { range: (plot, _, max) => [0, niceAbove(Math.min(max, highest(plot)))] },
    },
    axes: [
      { show: true, size: hasTimes ? TIMES_HEIGHT : 0, gap: 4, font, stroke: faint, grid: rule, ticks: { show: false }, space: 80, incrs: [60, 120, 300, 600],
        values: (_, splits) => splits.map((atS) => (hasTimes ? clock(atS * 1000).slice(0, 5) : "")) },
      { size: 44, gap: 8, font, stroke: faint, grid: rule, ticks: { show: false },
        splits: (_, __, ___, max) => [0, max / 2, max], values: (_, splits) => splits.map((value, i) => (i === 1 ? "" : compact(value))) },
    ],
    series: [{}, ...lines.map(seriesOf)],
    hooks: { setCursor: [(plot) => pick(plot)] },
  };
}

function seriesOf({ tone, isFilled }: Line): uPlot.Series {
  return {
    stroke: () => tokenOf(TONES[tone]),
    width: tone === "accent" ? 1.6 : 1.1,
    points: { show: false },
    ...(isFilled ? { fill: () => `color-mix(in srgb, ${tokenOf(TONES[tone])} 12%, transparent)` } : {}),
  };
}

/** The second under the pointer; rows that only make a gap have no figures of their own. */
function pick(plot: uPlot): void {
  if (!plot.cursor.event) return;
  const atMs = plot.cursor.idx === null || plot.cursor.idx === undefined ? null : (plot.data[0][plot.cursor.idx] ?? 0) * 1000;
  const index = atMs === null || (plot.cursor.left ?? -1) < 0 ? -1 : figures.peek().findIndex(({ at_ms }) => at_ms === atMs);
  picked.value = index < 0 ? null : index;
}

/** What the axis must reach: one spike, such as that of a start, must not flatten ten minutes; it leaves the picture. */
function highest(plot: uPlot): number {
  const values = plot.data.slice(1).flatMap((column) => Array.from(column as (number | null)[])).filter((value) => value !== null);
  values.sort((one, other) => one - other);
  const usual = values[Math.floor(values.length * 0.97)] ?? 0;
  return usual > 0 ? usual * 3 : Number.POSITIVE_INFINITY;
}

/** The least of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten that is above. */
function niceAbove(max: number | null): number {
  if (!max || max <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(max));
  return ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= max * 1.02) ?? 20) * power;
}

function compact(value: number): string {
  if (value >= 1_000_000) return `${value / 1_000_000}M`;
  return value >= 10_000 ? `${value / 1000}k` : number(value);
}
