/** What the axis of a strip reaches, and the peaks that leave it. */

type Columns = readonly (readonly (number | null | undefined)[])[];

export interface Peak {
  readonly atS: number;
  readonly value: number;
}

/** Where an axis ends: one spike, such as that of a start, must not flatten ten minutes; it leaves the picture. */
export function topOf(columns: Columns, highest: number | null): number {
  return niceAbove(Math.min(highest ?? 0, 3 * usual(columns)));
}

/** The peaks above the top of an axis within a time: of those that are close, the highest. */
export function peaksAbove(times: readonly number[], columns: Columns, top: number, [fromS, toS]: readonly [number, number], apartS: number): Peak[] {
  const cut = times
    .map((atS, i) => ({ atS, value: Math.max(...columns.map((column) => column[i] ?? 0)) }))
    .filter(({ atS, value }) => value > top && fromS <= atS && atS <= toS)
    .sort((one, other) => other.value - one.value);
  const peaks: Peak[] = [];
  for (const one of cut) if (peaks.every(({ atS }) => Math.abs(atS - one.atS) >= apartS)) peaks.push(one);
  return peaks.sort((one, other) => one.atS - other.atS);
}

/** What 97 of 100 values do not exceed; endless where that is nothing. */
function usual(columns: Columns): number {
  const values = columns.flatMap((column) => column.filter((value): value is number => typeof value === "number"));
  values.sort((one, other) => one - other);
  return values[Math.floor(values.length * 0.97)] || Number.POSITIVE_INFINITY;
}

/** The least of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten that is above. */
function niceAbove(max: number): number {
  if (max <= 0) return 1;
  const power = 10 ** Math.floor(Math.log10(max));
  return ([1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= max * 1.02) ?? 20) * power;
}
