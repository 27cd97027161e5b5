/** A strip: some figures over the last minutes, their names and values to the left; all strips share one cursor. */
import { effect, signal } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import type { Figures } from "../contract";
import { clock, number } from "../format";
import { KEPT_S, figures } from "../live";
import { theme, tokenOf } from "../theme";
import { type Peak, peaksAbove, topOf } from "./peaks";
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
/** Above the plot, for the marks of what leaves it. */
const PEAKS_HEIGHT = 14;
/** Right of the plot, for the half of a time that is centred on its end. */
const HALF_A_TIME = 16;
/** Pixels for a mark and its figure. */
const PEAK_WIDTH = 72;
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
  const [peaks, setPeaks] = useState<readonly Mark[]>([]);
  useLayoutEffect(() => {
    if (!place.current) return undefined;
    const drawn = new uPlot(optionsOf(lines, hasTimes, (drawn) => setPeaks(marksOf(drawn))), columnsOf(lines, figures.peek()), place.current);
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
  return (
    <div class="plot" aria-hidden="true">
      <div ref={place} />
      {peaks.map(({ atS, value, left, isLate }) => (
        <span key={atS} class={`peak ${isLate ? "late" : ""}`} style={{ left: `${left}px` }} title={`${number(value)} at ${clock(atS * 1000)}, beyond the axis`}>{number(value)}</span>
      ))}
    </div>
  );
}

/** A peak that leaves the picture, and where its mark is. */
interface Mark extends Peak {
  readonly left: number;
  /** Its figure has no room to the right of it. */
  readonly isLate: boolean;
}

const UNMARKED: readonly Mark[] = [];

function marksOf(plot: uPlot): readonly Mark[] {
  const [times, ...columns] = plot.data as [number[], ...(number | null)[][]];
  const { x, y } = plot.scales;
  const [fromS, toS] = [x?.min ?? 0, x?.max ?? 0];
  const { offsetLeft, clientWidth } = plot.over;
  const peaks = peaksAbove(times, columns, y?.max ?? Number.POSITIVE_INFINITY, [fromS, toS], ((toS - fromS) * PEAK_WIDTH) / clientWidth);
  if (!peaks.length) return UNMARKED;
  return peaks.map((peak) => {
    const left = plot.valToPos(peak.atS, "x");
    return { ...peak, left: offsetLeft + left, isLate: left > clientWidth - PEAK_WIDTH };
  });
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

function optionsOf(lines: readonly Line[], hasTimes: boolean, onDraw: (plot: uPlot) => void): uPlot.Options {
  const font = '11px "Geist", sans-serif';
  const faint = () => tokenOf("--ink-3");
  const rule = { stroke: () => tokenOf("--rule"), width: 1 };
  return {
    width: 300,
    height: HEIGHT + (hasTimes ? TIMES_HEIGHT : 0),
    padding: [PEAKS_HEIGHT, HALF_A_TIME, hasTimes ? 0 : 6, 0],
    legend: { show: false },
    cursor: { y: false, points: { size: 6, width: 0 }, drag: { x: false, y: false }, bind: { dblclick: () => null } },
    scales: {
      x: { time: true, range: (_, min, max) => [Math.max(max - KEPT_S, Math.min(min, max - LEAST_S)), max] },
      y: { range: (plot, _, max) => [0, topOf(plot.data.slice(1) as (number | null)[][], max)] },
    },
    axes: [
      { show: true, size: hasTimes ? TIMES_HEIGHT : 0, gap: 4, font, stroke: faint, grid: rule, ticks: { show: false }, space: 80, incrs: [60, 120, 300, 600],
        values: (_, splits) => splits.map((atS) => (hasTimes ? clock(atS * 1000).slice(0, 5) : "")) },
      { size: 44, gap: 8, font, stroke: faint, grid: rule, ticks: { show: false },
        splits: (_, __, ___, max) => [0, max / 2, max], values: (_, splits) => splits.map((value, i) => (i === 1 ? "" : compact(value))) },
    ],
    series: [{}, ...lines.map(seriesOf)],
    hooks: { setCursor: [(plot) => pick(plot)], draw: [onDraw] },
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

function compact(value: number): string {
  if (value >= 1_000_000) return `${value / 1_000_000}M`;
  return value >= 10_000 ? `${value / 1000}k` : number(value);
}
