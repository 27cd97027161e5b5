import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { adapted, firstOf, paintingOrder, stature } from "../../map/painter";

test("tracks are painted from the least to the most popular, each once", () => {
  const weights = Uint8Array.from([7, 255, 0, 7, 128]);
  const layout = { release: "", size: 5, xs: new Float32Array(5), ys: new Float32Array(5), groups: new Uint8Array(5), weights };

  deepEqual([...paintingOrder(layout)], [2, 0, 3, 4, 1]);
  deepEqual([...paintingOrder({ ...layout, xs: Float32Array.from([0, NaN, 0, 0, NaN]) })], [2, 0, 3], "those without a place are not");
  ok(stature(0) < stature(128) && stature(128) < stature(255));
});

test("a slow machine draws fewer tracks while it moves, a fast one all of them", () => {
  let [slow, fast] = [1, 0.2];
  for (let frame = 0; frame < 40; frame++) [slow, fast] = [adapted(slow, 90 * slow), adapted(fast, 16)];

  ok(slow > 0.15 && slow < 0.4, `${slow}`);
  equal(fast, 1);
  ok(adapted(1, 1e6) >= 0.5 && adapted(0.05, 1e6) === 0.05);
});

test("a share leaves out the least popular", () => {
  equal(firstOf(1000, 1), 0);
  equal(firstOf(1000, 0.25), 750);
  equal(firstOf(0, 0.5), 0);
});
