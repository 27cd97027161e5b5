/** A grid over the plane, that finds the tracks near a point or within bounds. */
import type { Bounds, Point } from "./camera";

export interface Grid {
  readonly xs: Float32Array;
  readonly ys: Float32Array;
  /** Cells along each side; they cover -1..1. */
  readonly side: number;
  /** The first place in `rows` of each cell, and after the last the end. */
  readonly starts: Uint32Array;
  /** The rows of the layout, cell by cell. */
  readonly rows: Uint32Array;
}

const ROWS_PER_CELL = 3;

/** Build the grid; rows that are NaN are nowhere in it. */
export function buildGrid(xs: Float32Array, ys: Float32Array): Grid {
  const side = Math.min(Math.max(Math.ceil(Math.sqrt(xs.length / ROWS_PER_CELL)), 1), 1024);
  const cells = new Uint32Array(xs.length);
  const starts = new Uint32Array(side * side + 1);
  for (let row = 0; row < xs.length; row++) {
    if (Number.isNaN(xs[row]!)) continue;
    const cell = cellOf(ys[row]!, side) * side + cellOf(xs[row]!, side);
    cells[row] = cell;
    starts[cell + 1]!++;
  }
  for (let cell = 0; cell < side * side; cell++) starts[cell + 1]! += starts[cell]!;
  const next = starts.slice();
  const rows = new Uint32Array(starts[side * side]!);
  for (let row = 0; row < xs.length; row++) if (!Number.isNaN(xs[row]!)) rows[next[cells[row]!]!++] = row;
  return { xs, ys, side, starts, rows };
}

/** The row nearest to a point and not further than `reach`; null if there is none. */
export function nearest(grid: Grid, [x, y]: Point, reach: number): number | null {
  let found: number | null = null;
  let best = reach * reach;
  for (const row of rowsWithin(grid, { left: x - reach, right: x + reach, bottom: y - reach, top: y + reach })) {
    const distance = (grid.xs[row]! - x) ** 2 + (grid.ys[row]! - y) ** 2;
    if (distance <= best && (distance < best || found === null)) [found, best] = [row, distance];
  }
  return found;
}

/** The rows in all cells that bounds touch; some lie a little outside. */
function* rowsWithin({ side, starts, rows }: Grid, bounds: Bounds): Generator<number> {
  const [first, last] = [cellOf(bounds.left, side), cellOf(bounds.right, side)];
  for (let line = cellOf(bounds.bottom, side); line <= cellOf(bounds.top, side); line++) {
    const end = starts[line * side + last + 1]!;
    for (let place = starts[line * side + first]!; place < end; place++) yield rows[place]!;
  }
}

/** The heaviest rows within bounds, heaviest first. */
export function heaviest(grid: Grid, weights: Uint8Array, bounds: Bounds, count: number): number[] {
  const best: number[] = [];
  for (const row of rowsWithin(grid, bounds)) {
    const [x, y] = [grid.xs[row]!, grid.ys[row]!];
    if (x < bounds.left || x > bounds.right || y < bounds.bottom || y > bounds.top) continue;
    if (best.length === count && weights[row]! <= weights[best[count - 1]!]!) continue;
    let place = best.length;
    while (place > 0 && weights[best[place - 1]!]! < weights[row]!) place--;
    best.splice(place, 0, row);
    if (best.length > count) best.pop();
  }
  return best;
}

function cellOf(coordinate: number, side: number): number {
  return Math.min(Math.max(Math.floor(((coordinate + 1) / 2) * side), 0), side - 1);
}
