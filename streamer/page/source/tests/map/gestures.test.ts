import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { type Hands, pinch, pressed, zoomOfWheel } from "../../map/gestures";
import { Pilot } from "../../map/pilot";

/** Hands that write down what they are asked. */
function notes(): { hands: Hands; asked: string[] } {
  const asked: string[] = [];
  const note = (what: string) => (...values: unknown[]) => { asked.push(`${what} ${JSON.stringify(values)}`); };
  const names = ["pan", "zoom", "step", "fitAll", "point", "choose", "dismiss", "glide"];
  return { hands: Object.fromEntries(names.map((name) => [name, note(name)])) as unknown as Hands, asked };
}

const key = (name: string, shiftKey = false) => ({ key: name, shiftKey, ctrlKey: false, altKey: false, metaKey: false });

test("keys pan, zoom, show all, choose and dismiss; others are left to the page", () => {
  const { hands, asked } = notes();
  for (const name of ["ArrowLeft", "+", "-", "0", "Enter", "Escape"]) ok(pressed(key(name), hands));
  ok(pressed(key("ArrowUp", true), hands));

  deepEqual(asked, ["pan [70,0]", "step [null,1.6]", "step [null,0.625]", "fitAll []", "choose [null]", "dismiss []", "pan [0,280]"]);
  ok(!pressed(key("x"), hands));
  ok(!pressed({ ...key("+"), ctrlKey: true }, hands), "the browser's own zoom");
});

test("two fingers that part zoom around their middle", () => {
  const { hands, asked } = notes();
  pinch(hands, [100, 100], [200, 100], [300, 100]);

  deepEqual(asked, ["pan [50,0]", "zoom [[200,100],2]"]);
});

test("a wheel zooms in upwards, alike in pixels and lines, and never jumps", () => {
  ok(zoomOfWheel(-100, 0, false) > 1);
  equal(zoomOfWheel(-48, 0, false), zoomOfWheel(-3, 1, false));
  equal(zoomOfWheel(-1e6, 0, false), zoomOfWheel(-240, 0, false));
});

test("a thrown map glides to rest, and a touch stops it", () => {
  const pilot = new Pilot({ left: -1, right: 1, bottom: -1, top: 1 });
  pilot.resize({ width: 800, height: 600 });
  pilot.throw([-0.5, 0]);
  let frames = 0;
  while (pilot.travel(16 * frames, 16)) ok(++frames < 500);
  ok(frames > 20 && pilot.camera.x > 0);

  pilot.throw([1, 1]);
  pilot.throw([0, 0]);
  ok(!pilot.isTravelling);
});

test("a track at the edge of the map is looked at beside what covers the window", () => {
  const pilot = new Pilot({ left: -1, right: 1, bottom: -1, top: 1 });
  pilot.cover({ left: 400, right: 0, top: 0, bottom: 100 });
  pilot.resize({ width: 1000, height: 600 });
  pilot.move(pilot.closeTo([-1, -1]));

  const [x, y] = pilot.toScreen([-1, -1]);
  ok(Math.abs(x - 700) < 1e-6 && Math.abs(y - 250) < 1e-6);
  ok(Math.abs(x - pilot.middle()[0]) < 1e-6 && Math.abs(y - pilot.middle()[1]) < 1e-6);
});

test("a track beyond what the whole map shows is looked at all the same", () => {
  const pilot = new Pilot({ left: -0.5, right: 0.5, bottom: -0.5, top: 0.5 });
  pilot.resize({ width: 1000, height: 600 });
  pilot.move(pilot.closeTo([0.9, -1]));

  const [x, y] = pilot.toScreen([0.9, -1]);
  ok(Math.abs(x - pilot.middle()[0]) < 1e-6 && Math.abs(y - pilot.middle()[1]) < 1e-6);
});

test("a window that changes shows the same middle as large as before", () => {
  const pilot = new Pilot({ left: -1, right: 1, bottom: -1, top: 1 });
  pilot.resize({ width: 800, height: 600 });
  ok(Math.abs(pilot.magnification - 1) < 1e-9);
  pilot.move({ x: 0.3, y: 0.1, scale: 5 * pilot.camera.scale });
  pilot.resize({ width: 360, height: 500 });

  ok(Math.abs(pilot.magnification - 5) < 1e-9 && pilot.camera.x === 0.3);
});
