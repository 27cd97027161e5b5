/** Labels on the map: which of them fit without touching, and how strongly each is drawn. */

export interface Label {
  readonly key: string;
  /** The middle of its text, in pixels. */
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Those of more weight are placed first. */
  readonly weight: number;
}

/** A rectangle in pixels. */
export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

const GAP = 6; // pixels between two labels
const MARGIN = 4; // pixels between a label and the side of the window

/**
 * The labels that fit, the weightiest first; none touches another, or what is in the way, but for one of infinite weight.
 *
 * A label that was placed before goes ahead of one of equal weight, and needs no gap: so labels do not flicker while the
 * map moves.
 */
export function place<L extends Label>(labels: readonly L[], before: ReadonlySet<string>, inTheWay: readonly Box[] = []): L[] {
  const order = [...labels].sort(
    (a, b) => b.weight - a.weight || Number(before.has(b.key)) - Number(before.has(a.key)) || (a.key < b.key ? -1 : 1),
  );
  const placed: L[] = [];
  const taken: Box[] = [...inTheWay];
  for (const label of order) {
    const box = boxOf(label, before.has(label.key) ? 0 : GAP);
    if (Number.isFinite(label.weight) && taken.some((other) => touches(box, other))) continue;
    placed.push(label);
    taken.push(boxOf(label, 0));
  }
  return placed;
}

/** The labels of what is in a window, none of them cut off at its sides. */
export function whole<L extends Label>(labels: readonly L[], { width, height }: { readonly width: number; readonly height: number }): L[] {
  return labels.filter(({ x, y }) => x > 0 && x < width && y > 0 && y < height).map((label) => {
    const half = label.width / 2 + MARGIN;
    return { ...label, x: Math.min(Math.max(label.x, half), Math.max(width - half, half)) };
  });
}

function boxOf({ x, y, width, height }: Label, gap: number): Box {
  const [across, up] = [width / 2 + gap, height / 2 + gap];
  return { left: x - across, right: x + across, top: y - up, bottom: y + up };
}

function touches(a: Box, b: Box): boolean {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

/** How strongly the names of regions are drawn, 0..1: wholly over the whole map, less the closer the camera is. */
export function strengthOfRegions(magnification: number): number {
  return clamp01(1.15 - Math.log2(Math.max(magnification, 1)) / 5);
}

/** How strongly the names of tracks are drawn, 0..1: only where few are in view. */
export function strengthOfTracks(magnification: number): number {
  return clamp01((Math.log2(Math.max(magnification, 1)) - 1.2) / 1.2);
}

function clamp01(share: number): number {
  return Math.min(Math.max(share, 0), 1);
}

/** Shorten a text at a word's end where that loses little. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  const space = text.lastIndexOf(" ", most - 1);
  return `${text.slice(0, space > most * 0.6 ? space : most - 1).trimEnd()}…`;
}
