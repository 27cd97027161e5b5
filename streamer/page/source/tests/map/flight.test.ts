import { deepEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import { plan } from "../../map/flight";

const window = { width: 900, height: 600 };
const here = { x: -0.8, y: -0.5, scale: 4000 };
const there = { x: 0.7, y: 0.6, scale: 6000 };

test("a flight begins here, ends there, and zooms out on the way", () => {
  const flight = plan(here, there, window);
  const [begin, middle] = [flight.at(0), flight.at(0.5)];

  ok(Math.abs(begin.x - here.x) < 1e-6 && Math.abs(begin.scale / here.scale - 1) < 1e-6);
  deepEqual(flight.at(1), there);
  ok(middle.scale < here.scale / 4);
});

test("a flight has no jump, however far it goes", () => {
  const flight = plan(here, there, window);
  let before = flight.at(0);
  for (let step = 1; step <= 200; step++) {
    const now = flight.at(step / 200);
    const moved = Math.hypot(now.x - before.x, now.y - before.y) * Math.min(now.scale, before.scale);
    ok(moved < 60, `${moved} pixels at step ${step}`);
    ok(Math.abs(Math.log(now.scale / before.scale)) < 0.12);
    before = now;
  }
});

test("a zoom on the spot, and no movement at all, are flights too", () => {
  const zoom = plan(here, { ...here, scale: 400 }, window);

  ok(Math.abs(zoom.at(0.5).x - here.x) < 1e-12);
  ok(zoom.at(0.5).scale < 4000 && zoom.at(0.5).scale > 400);
  const nowhere = plan(here, here, window).at(0.5);
  ok(Math.abs(nowhere.x - here.x) < 1e-12 && Math.abs(nowhere.scale - here.scale) < 1e-6);
});
