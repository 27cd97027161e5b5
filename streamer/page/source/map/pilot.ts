/** The pilot: moves the camera, at once, in flights or gliding, and never beyond its limits. */
import {
  type Bounds, type Camera, type Insets, type Limits, type Point, type Size, UNCOVERED, fit, limitsOf, pan, toPlane,
  toScreen, within, zoomAt,
} from "./camera";
import { type Flight, plan } from "./flight";

const FRICTION_PER_MS = 0.994;
const SLOWEST = 0.02; // pixels a millisecond, at which a thrown map rests
const CLOSE = 9; // times the magnification of the whole map, at which a single track is looked at

export class Pilot {
  readonly #bounds: Bounds;
  #window: Size = { width: 1, height: 1 };
  #covered: Insets = UNCOVERED;
  #camera: Camera = { x: 0, y: 0, scale: 1 };
  #flight: { readonly way: Flight; readonly beganMs: number } | null = null;
  #velocity: Point = [0, 0];

  /** @param bounds what the whole map is: where nearly all tracks are */
  constructor(bounds: Bounds) {
    this.#bounds = bounds;
  }

  get camera(): Camera {
    return this.#camera;
  }

  get window(): Size {
    return this.#window;
  }

  /** How many times larger things are than on the whole map. */
  get magnification(): number {
    return this.#camera.scale / this.whole().scale;
  }

  get isTravelling(): boolean {
    return this.#flight !== null || Math.hypot(...this.#velocity) > SLOWEST;
  }

  /** Look through another window; what is in its middle stays there, at the same magnification. */
  resize(window: Size): void {
    const isFirst = this.#window.width === 1;
    const before = this.magnification;
    this.#window = window;
    this.move(isFirst ? this.whole() : { ...this.#camera, scale: before * this.whole().scale });
  }

  /** Aim at what nothing covers, from the next movement on. */
  cover(covered: Insets): void {
    this.#covered = covered;
  }

  /** Move at once; ends whatever movement there is. */
  move(camera: Camera): void {
    [this.#flight, this.#velocity] = [null, [0, 0]];
    this.#camera = this.#within(camera);
  }

  fly(goal: Camera, nowMs: number): void {
    this.#velocity = [0, 0];
    this.#flight = { way: plan(this.#camera, this.#within(goal), this.#window), beganMs: nowMs };
  }

  /** Glide on with a velocity in pixels a millisecond. */
  throw(velocity: Point): void {
    [this.#flight, this.#velocity] = [null, velocity];
  }

  /** Go on with a flight or a glide; whether the camera moved. */
  travel(nowMs: number, passedMs: number): boolean {
    if (this.#flight !== null) {
      const { way, beganMs } = this.#flight;
      const share = (nowMs - beganMs) / way.durationMs;
      if (share >= 1) this.#flight = null;
      this.#camera = way.at(Math.max(share, 0));
      return true;
    }
    if (!this.isTravelling) return false;
    const [dx, dy] = this.#velocity;
    this.#camera = this.#within(pan(this.#camera, dx * passedMs, dy * passedMs));
    const friction = FRICTION_PER_MS ** passedMs;
    this.#velocity = [dx * friction, dy * friction];
    return true;
  }

  /** The camera that shows the whole map. */
  whole(): Camera {
    return this.around(this.#bounds);
  }

  around(bounds: Bounds): Camera {
    return fit(bounds, this.#window, this.#covered);
  }

  /** The camera that looks at a single point, not from further away than now. */
  closeTo([x, y]: Point): Camera {
    const scale = Math.max(this.#camera.scale, CLOSE * this.whole().scale);
    return pan({ x, y, scale }, ...this.#shift());
  }

  /** The camera after a zoom that leaves a pixel's point in place. */
  zoomed(pixel: Point, factor: number): Camera {
    return zoomAt(this.#camera, this.#window, pixel, factor, this.#limits());
  }

  panned(dx: number, dy: number): Camera {
    return pan(this.#camera, dx, dy);
  }

  toPlane(pixel: Point): Point {
    return toPlane(this.#camera, this.#window, pixel);
  }

  toScreen(point: Point): Point {
    return toScreen(this.#camera, this.#window, point);
  }

  /** The middle of what nothing covers. */
  middle(): Point {
    const [dx, dy] = this.#shift();
    return [this.#window.width / 2 + dx, this.#window.height / 2 + dy];
  }

  /** How far the middle of what nothing covers is from the window's, in pixels. */
  #shift(): Point {
    const { left, right, top, bottom } = this.#covered;
    return [(left - right) / 2, (top - bottom) / 2];
  }

  /** The nearest camera that has the plane in the middle of what nothing covers. */
  #within(camera: Camera): Camera {
    const [dx, dy] = this.#shift();
    return pan(within(pan(camera, -dx, -dy), this.#limits()), dx, dy);
  }

  #limits(): Limits {
    return limitsOf(this.#bounds, this.#window);
  }
}
