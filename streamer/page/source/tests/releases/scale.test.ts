import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { isSignificant, placeOf, scaleOf, ticksOf } from "../../releases/scale";

const interval = (low: number, mean: number, high: number) => ({ low, mean, high });

test("all intervals of a column are on its scale, in their order", () => {
  const scale = scaleOf([interval(0.2, 0.21, 0.22), interval(0.24, 0.26, 0.28)])!;

  ok(placeOf(scale, 0.2) > 0 && placeOf(scale, 0.28) < 1);
  ok(placeOf(scale, 0.21) < placeOf(scale, 0.26));
  equal(scaleOf([]), null);
});

test("a scale of differences has zero on it, one figure alone a range around it", () => {
  const scale = scaleOf([interval(0.01, 0.02, 0.03)], { withZero: true })!;
  ok(placeOf(scale, 0) > 0);

  const alone = scaleOf([interval(0.5, 0.5, 0.5)])!;
  ok(alone.low < 0.5 && alone.high > 0.5 && Number.isFinite(placeOf(alone, 0.5)));
});

test("ticks are round numbers within the range", () => {
  deepEqual(ticksOf(0.193, 0.271), [0.2, 0.25]);
  deepEqual(ticksOf(-0.01, 0.03), [0, 0.02]);
  deepEqual(ticksOf(0, 0.31), [0, 0.2]);
  deepEqual(ticksOf(-0.4, -0.1), [-0.4, -0.3, -0.2, -0.1]);
});

test("a difference says something if its interval leaves out zero", () => {
  ok(isSignificant(interval(0.001, 0.01, 0.02)) && isSignificant(interval(-0.02, -0.01, -0.001)));
  ok(!isSignificant(interval(-0.001, 0.01, 0.02)));
});
