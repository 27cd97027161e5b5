import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { around, fit, limitsOf, pan, toPlane, toScreen, viewOf, widen, within, zoomAt } from "../../map/camera";

const window = { width: 800, height: 600 };
const camera = { x: 0.2, y: -0.1, scale: 400 };
const plane = { left: -1, right: 1, bottom: -1, top: 1 };
const close = (a: number, b: number, by = 1e-9) => ok(Math.abs(a - b) <= by, `${a} is not ${b}`);

test("a pixel's point of the plane is at that pixel, and up is up", () => {
  const [x, y] = toScreen(camera, window, toPlane(camera, window, [123, 456]));

  close(x, 123);
  close(y, 456);
  ok(toScreen(camera, window, [0, 0.5])[1] < toScreen(camera, window, [0, 0])[1]);
});

test("a zoom leaves the point under the pointer in its place", () => {
  const before = toPlane(camera, window, [700, 50]);
  const zoomed = zoomAt(camera, window, [700, 50], 3, limitsOf(plane, window));

  equal(zoomed.scale, 1200);
  const [x, y] = toScreen(zoomed, window, before);
  close(x, 700, 1e-6);
  close(y, 50, 1e-6);
});

test("a pan moves the picture with the pointer", () => {
  const [x, y] = toScreen(camera, window, [0.3, 0.3]);
  const [movedX, movedY] = toScreen(pan(camera, 40, -25), window, [0.3, 0.3]);

  close(movedX, x + 40);
  close(movedY, y - 25);
});

test("what is fitted is in the middle of what nothing covers, whole", () => {
  const covered = { left: 300, right: 0, top: 0, bottom: 120 };
  const fitted = fit({ left: 0, right: 0.5, bottom: 0, top: 0.5 }, window, covered);

  const [x, y] = toScreen(fitted, window, [0.25, 0.25]);
  close(x, 550, 1e-6);
  close(y, 240, 1e-6);
  const [left, bottom] = toScreen(fitted, window, [0, 0]);
  ok(left > 300 && bottom < 480);
});

test("the camera stays on the plane, and between its nearest and its furthest view", () => {
  const limits = limitsOf(plane, window);
  const far = within({ x: 9, y: -9, scale: 1 }, limits);

  deepEqual([far.x, far.y, far.scale], [1, -1, limits.least]);
  ok(limits.least < fit(plane, window).scale);
});

test("bounds go around all points, and are the whole plane where there are none", () => {
  deepEqual(around([[0.1, 0.2], [-0.3, 0.4]]), { left: -0.3, right: 0.1, bottom: 0.2, top: 0.4 });
  deepEqual(around([]), plane);
  const { left, right } = widen(around([[0.5, 0.5]]), 0.2);
  close(right - left, 0.2);
  const view = viewOf(camera, window);
  close(view.right - view.left, 2);
});
