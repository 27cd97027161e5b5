/** Painters: what draws the tracks, and how large and strong they are drawn. */
import type { Camera, Size } from "./camera";
import { type Layout, hasPlace } from "./layout";
import type { Rgb } from "./palette";

/** How tracks look, besides where they are. */
export interface Look {
  readonly shades: readonly Rgb[];
  readonly pixelRatio: number;
  /** Of how many the closest view shows one, compared with the whole map; 1 is the whole map. */
  readonly magnification: number;
  /** 0..1: below 1, what is drawn over the tracks is meant to be seen first. */
  readonly strength: number;
  /** The only region in full colour; null: all are. */
  readonly only: number | null;
  /** The share of tracks that is drawn, the most popular ones: below 1 while a slow machine moves the map. */
  readonly share: number;
}

export interface Painter {
  readonly kind: "webgl2" | "canvas";
  paint(camera: Camera, window: Size, look: Look): void;
  dispose(): void;
}

/** The radius in pixels of a track of middling popularity. */
export function radiusOf(size: number, magnification: number): number {
  const crowd = Math.min(Math.max((100_000 / Math.max(size, 1)) ** 0.22, 1), 3);
  return Math.min(0.95 * crowd * magnification ** 0.34, 7);
}

/** How many times that radius a track of a weight has: 0.6 to 2.6. */
export function stature(weight: number): number {
  return 0.6 + 2 * (weight / 255) ** 1.8;
}

/** How opaque tracks are: in a crowd less, so that its density shows. */
export function opacityOf(size: number, magnification: number): number {
  const crowd = Math.log10(Math.max(size, 10)) / 5;
  return Math.min(0.95 - 0.35 * crowd + 0.09 * Math.log2(Math.max(magnification, 1)), 0.95);
}

/** What is drawn in so long a frame takes too long, so the next one draws less; or there is room for more. */
const [TOO_LONG_MS, SHORT_MS] = [30, 20];
const LEAST_SHARE = 0.05;

/** The share of tracks to draw in the next frame of a movement, so that a slow machine moves the map fluently. */
export function adapted(share: number, frameMs: number): number {
  if (frameMs > TOO_LONG_MS) return Math.max(share * Math.max(TOO_LONG_MS / frameMs, 0.5), LEAST_SHARE);
  return frameMs < SHORT_MS ? Math.min(share * 1.1, 1) : share;
}

/** The first place in the painting order that a share draws. */
export function firstOf(size: number, share: number): number {
  return share >= 1 ? 0 : Math.floor(size * (1 - share));
}

/** The rows that have a place by weight, lightest first, so that the popular tracks are drawn over the others. */
export function paintingOrder(layout: Layout): Uint32Array {
  const placed = Uint32Array.from({ length: layout.size }, (_, row) => row).filter((row) => hasPlace(layout, row));
  return placed.sort((a, b) => layout.weights[a]! - layout.weights[b]! || a - b);
}
