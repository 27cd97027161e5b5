/** The atlas: the layout that a release has, its regions, and a grid to find tracks by, as a worker answers them. */
import { ask, respond } from "../api";
import { type Bounds, PLANE } from "./camera";
import { type Grid, buildGrid } from "./grid";
import { type Layout, readLayout } from "./layout";
import type { Region } from "./scene";

export interface Atlas {
  readonly layout: Layout;
  readonly grid: Grid;
  readonly regions: readonly Region[];
  /** What the whole map is: where nearly all tracks are. */
  readonly bounds: Bounds;
}

const OUTLIERS = 0.003; // of all tracks, left out on each side

/** Load the atlas of the release that answers. Throws a QueryError; `no_map` where the release has none. */
export async function loadAtlas(stop: AbortSignal): Promise<Atlas> {
  const [response, regions] = await Promise.all([
    respond("map", { stop }),
    ask<Region[]>("map/regions", undefined, stop),
  ]);
  const layout = readLayout(await response.arrayBuffer(), releaseOf(response.headers.get("ETag")));
  return { layout, grid: buildGrid(layout.xs, layout.ys), regions, bounds: boundsOf(layout) };
}

function boundsOf({ xs, ys }: Layout): Bounds {
  const [across, up] = [xs, ys].map((all) => all.filter((one) => !Number.isNaN(one)).sort()) as [Float32Array, Float32Array];
  if (across.length === 0) return PLANE;
  const [low, high] = [Math.floor(across.length * OUTLIERS), Math.ceil(across.length * (1 - OUTLIERS)) - 1];
  return { left: across[low]!, right: across[high]!, bottom: up[low]!, top: up[high]! };
}

function releaseOf(tag: string | null): string {
  return (tag ?? "").replace(/^W\//, "").replaceAll('"', "");
}

/** The region that a track belongs to: of those with its colour, the one whose name is nearest. */
export function regionOf({ layout, regions }: Atlas, row: number): Region | null {
  const [x, y] = [layout.xs[row]!, layout.ys[row]!];
  const away = (region: Region) => (region.x - x) ** 2 + (region.y - y) ** 2;
  const own = regions.filter(({ group }) => group === layout.groups[row]);
  return own.reduce<Region | null>((best, one) => (best === null || away(one) < away(best) ? one : best), null);
}

/** What a region is called: where the catalogue has no words for it, its number. */
export function nameOfRegion(region: Region | null): string {
  if (region === null) return "no region";
  return region.label ?? `Region ${region.group + 1}`;
}
