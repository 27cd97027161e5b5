import { ok } from "node:assert/strict";
import { test } from "node:test";
import { type Ground, NUM_GROUPS, type Rgb, readHex, shade } from "../../map/palette";

type Matrix = readonly [Rgb, Rgb, Rgb];

/** How colours look without one kind of cones: Machado, Oliveira and Fernandes, 2009, severity 1. */
const VISIONS: Readonly<Record<string, readonly [matrix: Matrix, least: number]>> = {
  full: [[[1, 0, 0], [0, 1, 0], [0, 0, 1]], 0.1],
  protanopia: [[[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]], 0.07],
  deuteranopia: [[[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]], 0.07],
  tritanopia: [[[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]], 0.05],
};
const LMS: Matrix = [
  [0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566], [0.0883024619, 0.2817188376, 0.6299787005],
];
const LAB: Matrix = [
  [0.2104542553, 0.793617785, -0.0040720468], [1.9779984951, -2.428592205, 0.4505937099], [0.0259040371, 0.7827717662, -0.808675766],
];

const times = (matrix: Matrix, [r, g, b]: Rgb): Rgb => matrix.map(([x, y, z]) => x * r + y * g + z * b) as unknown as Rgb;
const each = (rgb: Rgb, change: (part: number) => number): Rgb => rgb.map(change) as unknown as Rgb;
const linear = (part: number) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
const oklab = (rgb: Rgb) => times(LAB, each(times(LMS, rgb), Math.cbrt));

test("any two regions are told apart on either ground, also without one kind of cones", () => {
  for (const ground of ["light", "dark"] satisfies Ground[]) {
    for (const [vision, [matrix, least]] of Object.entries(VISIONS)) {
      const seen = Array.from({ length: NUM_GROUPS }, (_, group) =>
        oklab(each(times(matrix, each(readHex(shade(group, ground)), linear)), (part) => Math.min(Math.max(part, 0), 1))),
      );
      seen.forEach((a, i) => seen.slice(i + 1).forEach((b, j) => {
        const distance = Math.hypot(a[0] - b[0], a[1] - b[1], a[2] - b[2]);
        ok(distance >= least, `${ground}, ${vision}: ${i} and ${i + 1 + j} are ${distance.toFixed(3)} apart`);
      }));
    }
  }
});
