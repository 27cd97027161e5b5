/** The camera: which part of the plane a window shows. */

export interface Camera {
  /** The plane's point in the middle of the window. */
  readonly x: number;
  readonly y: number;
  /** Pixels for a unit of the plane. */
  readonly scale: number;
}

/** A window in CSS pixels. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

export interface Bounds {
  readonly left: number;
  readonly right: number;
  readonly bottom: number;
  readonly top: number;
}

export type Point = readonly [x: number, y: number];

/** Pixels along each side of a window that panels cover. */
export interface Insets {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

export const UNCOVERED: Insets = { left: 0, right: 0, top: 0, bottom: 0 };

/** Where all tracks are. */
export const PLANE: Bounds = { left: -1, right: 1, bottom: -1, top: 1 };

const MAX_SCALE = 40_000; // at which neighbours among 100,000 tracks are a thumb's width apart
const MARGIN = 0.04; // of the window, around what is fitted into it

/** The pixel of a point of the plane, whose y points up; a window's points down. */
export function toScreen(camera: Camera, window: Size, [x, y]: Point): Point {
  return [
    window.width / 2 + (x - camera.x) * camera.scale,
    window.height / 2 - (y - camera.y) * camera.scale,
  ];
}

export function toPlane(camera: Camera, window: Size, [x, y]: Point): Point {
  return [
    camera.x + (x - window.width / 2) / camera.scale,
    camera.y - (y - window.height / 2) / camera.scale,
  ];
}

/** What the window shows. */
export function viewOf(camera: Camera, window: Size): Bounds {
  const [left, top] = toPlane(camera, window, [0, 0]);
  const [right, bottom] = toPlane(camera, window, [window.width, window.height]);
  return { left, right, bottom, top };
}

/** The camera that shows all of some bounds in the part of the window that nothing covers. */
export function fit(bounds: Bounds, window: Size, covered: Insets = UNCOVERED): Camera {
  const free = {
    width: Math.max(window.width - covered.left - covered.right, 1),
    height: Math.max(window.height - covered.top - covered.bottom, 1),
  };
  const width = Math.max(bounds.right - bounds.left, 1e-6);
  const height = Math.max(bounds.top - bounds.bottom, 1e-6);
  const wanted = (1 - 2 * MARGIN) * Math.min(free.width / width, free.height / height);
  const scale = Math.min(Math.max(wanted, 1), MAX_SCALE);
  const middle = { x: (bounds.left + bounds.right) / 2, y: (bounds.bottom + bounds.top) / 2, scale };
  return pan(middle, (covered.left - covered.right) / 2, (covered.top - covered.bottom) / 2);
}

/** The smallest bounds around some points; those of the whole plane where there are none. */
export function around(points: Iterable<Point>): Bounds {
  let [left, right, bottom, top] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const [x, y] of points) {
    left = Math.min(left, x);
    right = Math.max(right, x);
    bottom = Math.min(bottom, y);
    top = Math.max(top, y);
  }
  return left > right ? PLANE : { left, right, bottom, top };
}

/** Bounds at least `least` units wide and high, with the same middle. */
export function widen(bounds: Bounds, least: number): Bounds {
  const [x, y] = [(bounds.left + bounds.right) / 2, (bounds.bottom + bounds.top) / 2];
  const [across, up] = [
    Math.max(bounds.right - bounds.left, least) / 2,
    Math.max(bounds.top - bounds.bottom, least) / 2,
  ];
  return { left: x - across, right: x + across, bottom: y - up, top: y + up };
}

/** Move what is shown by pixels. */
export function pan(camera: Camera, dx: number, dy: number): Camera {
  return { ...camera, x: camera.x - dx / camera.scale, y: camera.y + dy / camera.scale };
}

/** Zoom by a factor; the point of the plane under a pixel stays there. */
export function zoomAt(camera: Camera, window: Size, pixel: Point, factor: number, limits: Limits): Camera {
  const scale = Math.min(Math.max(camera.scale * factor, limits.least), limits.most);
  const [x, y] = toPlane(camera, window, pixel);
  const ratio = camera.scale / scale;
  return { x: x + (camera.x - x) * ratio, y: y + (camera.y - y) * ratio, scale };
}

export interface Limits {
  readonly least: number;
  readonly most: number;
}

/** How far the camera may go in a window: a little further out than the bounds of the map, and in to single tracks. */
export function limitsOf(bounds: Bounds, window: Size): Limits {
  return { least: fit(bounds, window).scale * 0.7, most: MAX_SCALE };
}

/** The nearest camera within the limits: its middle stays on the plane, and can be any track, also beyond the bounds. */
export function within(camera: Camera, { least, most }: Limits): Camera {
  return {
    x: Math.min(Math.max(camera.x, PLANE.left), PLANE.right),
    y: Math.min(Math.max(camera.y, PLANE.bottom), PLANE.top),
    scale: Math.min(Math.max(camera.scale, least), most),
  };
}
