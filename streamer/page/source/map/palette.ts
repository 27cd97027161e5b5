/** The colours of the regions: twelve hues, each as one shade on light and one on dark ground. */

export type Rgb = readonly [red: number, green: number, blue: number];

export type Ground = "light" | "dark";

/**
 * Chosen by simulated annealing: the least distance between two of a row, in OKLab, is 0.10 for full colour vision and
 * 0.07 without red or green cones, by the matrices of Machado et al., 2009. A region keeps its hue on either ground.
 */
const SHADES: Readonly<Record<Ground, readonly string[]>> = {
  light: [
    "#d16751", "#9d6116", "#c39302", "#48531b", "#3bb486", "#1d6e5f",
    "#1287a8", "#769cca", "#492db2", "#a256d8", "#7c0a82", "#c52876",
  ],
  dark: [
    "#dfafa0", "#9c681b", "#af9021", "#cfde7b", "#43a972", "#9be5da",
    "#17cffa", "#4a7dd5", "#8c98fb", "#8968a0", "#cd8dc2", "#b6496c",
  ],
};

export const NUM_GROUPS = SHADES.light.length;

export function shade(group: number, ground: Ground): string {
  return SHADES[ground][group % NUM_GROUPS]!;
}

/** All shades on a ground, for a painter: 0..1 each. */
export function shades(ground: Ground): Rgb[] {
  return SHADES[ground].map(readHex);
}

export function readHex(hex: string): Rgb {
  const bits = Number.parseInt(hex.slice(1), 16);
  return [(bits >> 16) / 255, ((bits >> 8) & 255) / 255, (bits & 255) / 255];
}
