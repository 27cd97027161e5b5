import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { peaksAbove, topOf } from "../../parts/peaks";

const times = Array.from({ length: 600 }, (_, atS) => atS);
const withPeaks = (peaks: Record<number, number>) => times.map((atS) => peaks[atS] ?? 100);

test("an axis reaches what is usual, and ends above the highest where that is near", () => {
  equal(topOf([withPeaks({ 7: 5000 })], 5000), 400);
  equal(topOf([withPeaks({ 7: 220 })], 220), 300);
  equal(topOf([[null, 0, undefined]], 0), 1);
  equal(topOf([[]], null), 1);
});

test("what an axis does not reach is marked, the highest of what is close together", () => {
  const column = withPeaks({ 50: 900, 300: 700, 301: 5000, 303: 600 });

  deepEqual(peaksAbove(times, [column, withPeaks({ 50: 1000 })], 400, [0, 599], 20), [{ atS: 50, value: 1000 }, { atS: 301, value: 5000 }]);
  deepEqual(peaksAbove(times, [column], 400, [60, 302], 1), [{ atS: 300, value: 700 }, { atS: 301, value: 5000 }]);
  deepEqual(peaksAbove(times, [column], 8000, [0, 599], 20), []);
});
