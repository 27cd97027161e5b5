/** The scene: all that the map shows besides where its camera is. */
import type { Horizon } from "../contract";
import type { Bounds, Camera, Point, Size } from "./camera";
import { toScreen } from "./camera";
import type { Grid } from "./grid";
import type { Layout } from "./layout";
import type { Ground, Rgb } from "./palette";

export interface Region {
  readonly group: number;
  readonly x: number;
  readonly y: number;
  readonly label: string | null;
  readonly tracks: number;
}

/** A horizon's way over the map and the tracks of its list. */
export interface Way {
  readonly horizon: Horizon;
  readonly points: readonly Point[];
  readonly rows: readonly number[];
}

/** A listener on the map. */
export interface Wanderer {
  /** The remembered plays' rows, oldest first; null where the release does not know the track. */
  readonly plays: readonly (number | null)[];
  readonly ways: readonly Way[];
  /** The moment shown, see `replay`. */
  readonly moment: number;
}

/** The page's colours that the map needs. */
export interface Theme {
  readonly ground: Ground;
  readonly paper: string;
  readonly ink: string;
  readonly horizons: Readonly<Record<Horizon, string>>;
  readonly shades: readonly Rgb[];
  readonly font: string;
}

export interface Scene {
  readonly layout: Layout;
  readonly grid: Grid;
  /** What the whole map is. */
  readonly bounds: Bounds;
  readonly regions: readonly Region[];
  readonly theme: Theme;
  /** A track's name as far as it is known. */
  readonly nameOf: (row: number) => string | null;
  /** Tracks worth naming in this view, the most popular first. */
  readonly named: readonly number[];
  readonly wanderer: Wanderer | null;
  /** The track under the pointer, or in the middle for who uses the keyboard. */
  readonly pointed: number | null;
  readonly selected: number | null;
  readonly only: number | null;
}

/** Where a track is. */
export function pointOf({ xs, ys }: Layout, row: number): Point {
  return [xs[row]!, ys[row]!];
}

/** Where a track is in the window. */
export function pixelOf(scene: Scene, camera: Camera, window: Size, row: number): Point {
  return toScreen(camera, window, pointOf(scene.layout, row));
}
