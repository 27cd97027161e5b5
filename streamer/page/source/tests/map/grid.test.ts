import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { buildGrid, heaviest, nearest } from "../../map/grid";

let seed = 7;
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
const size = 5000;
const xs = Float32Array.from({ length: size }, () => 2 * random() ** 2 - 1);
const ys = Float32Array.from({ length: size }, () => 2 * random() - 1);
const weights = Uint8Array.from({ length: size }, () => Math.floor(256 * random()));
const grid = buildGrid(xs, ys);

test("the nearest track is the one that looking at all of them finds", () => {
  for (let i = 0; i < 300; i++) {
    const [x, y, reach] = [2.4 * random() - 1.2, 2.4 * random() - 1.2, 0.1 * random()];
    let [best, found] = [reach, null as number | null];
    for (let row = 0; row < size; row++) {
      const away = Math.hypot(xs[row]! - x, ys[row]! - y);
      if (away < best) [best, found] = [away, row];
    }
    equal(nearest(grid, [x, y], reach), found);
  }
});

test("the heaviest tracks in view come first, and none from outside", () => {
  const view = { left: -0.4, right: 0.1, bottom: -0.2, top: 0.5 };
  const inView = [...xs.keys()].filter((row) => xs[row]! >= -0.4 && xs[row]! <= 0.1 && ys[row]! >= -0.2 && ys[row]! <= 0.5);
  const expected = inView.map((row) => weights[row]!).sort((a, b) => b - a).slice(0, 25);

  deepEqual(heaviest(grid, weights, view, 25).map((row) => weights[row]!), expected);
});

test("a track without a place is never found", () => {
  const part = buildGrid(Float32Array.from([0.1, NaN, 0.2]), Float32Array.from([0.1, NaN, 0.2]));

  deepEqual([...part.rows].sort(), [0, 2]);
  equal(nearest(part, [-1, -1], 4), 0);
});

test("a map of one track, or none, has a grid", () => {
  equal(nearest(buildGrid(new Float32Array([1]), new Float32Array([-1])), [0.99, -0.99], 0.1), 0);
  equal(nearest(buildGrid(new Float32Array(0), new Float32Array(0)), [0, 0], 1), null);
});
