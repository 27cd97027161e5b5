/** Gestures: what a mouse, a wheel, fingers and keys ask of the map. */
import type { Point } from "./camera";

/** What gestures do. */
export interface Hands {
  pan(dx: number, dy: number): void;
  /** Zoom by a factor around a pixel. */
  zoom(pixel: Point, factor: number): void;
  /** As `zoom`, but in a short flight; null: around the middle. */
  step(pixel: Point | null, factor: number): void;
  fitAll(): void;
  /** The pointer is over a pixel; null: it left. */
  point(pixel: Point | null): void;
  /** A click or tap on a pixel; null: on the middle, by key. */
  choose(pixel: Point | null): void;
  dismiss(): void;
  glide(velocity: Point): void;
}

const STILL = 5; // pixels that a finger may tremble during a tap
const KEY_STEP = 70; // pixels of an arrow key
const GLIDE_AFTER_MS = 60; // a pointer that rested longer before it was lifted does not throw the map

export function listen(stage: HTMLElement, hands: Hands): () => void {
  const pointers = new Map<number, Point>();
  let moved = 0;
  let velocity: Point = [0, 0];
  let movedAt = 0;
  const pixel = (event: MouseEvent): Point => {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  const down = (event: PointerEvent) => {
    if (event.button !== 0) return;
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, pixel(event));
    if (pointers.size === 1) [moved, velocity] = [0, [0, 0]];
    else moved = Number.POSITIVE_INFINITY; // two fingers never tap
    hands.glide([0, 0]);
  };
  const move = (event: PointerEvent) => {
    const [at, before] = [pixel(event), pointers.get(event.pointerId)];
    if (before === undefined) {
      if (event.pointerType === "mouse") hands.point(at);
      return;
    }
    const others = [...pointers].filter(([id]) => id !== event.pointerId).map(([, point]) => point);
    pointers.set(event.pointerId, at);
    const [dx, dy] = [at[0] - before[0], at[1] - before[1]];
    moved += Math.hypot(dx, dy);
    if (others.length > 0) {
      pinch(hands, others[0]!, before, at);
    } else if (moved > STILL) {
      hands.point(null);
      hands.pan(dx, dy);
      const passed = Math.max(event.timeStamp - movedAt, 1);
      velocity = [0.6 * (dx / passed) + 0.4 * velocity[0], 0.6 * (dy / passed) + 0.4 * velocity[1]];
    }
    movedAt = event.timeStamp;
  };
  const up = (event: PointerEvent) => {
    if (!pointers.delete(event.pointerId) || pointers.size > 0) return;
    if (event.type === "pointercancel") return;
    if (moved <= STILL) hands.choose(pixel(event));
    else if (event.timeStamp - movedAt < GLIDE_AFTER_MS) hands.glide(velocity);
  };
  const wheel = (event: WheelEvent) => {
    event.preventDefault();
    hands.zoom(pixel(event), zoomOfWheel(event.deltaY, event.deltaMode, event.ctrlKey));
  };
  const double = (event: MouseEvent) => hands.step(pixel(event), event.shiftKey ? 0.5 : 2);
  const key = (event: KeyboardEvent) => {
    if (pressed(event, hands)) event.preventDefault();
  };
  const leave = () => hands.point(null);

  const listeners = { pointerdown: down, pointermove: move, pointerup: up, pointercancel: up, pointerleave: leave };
  const all = Object.entries({ ...listeners, wheel, dblclick: double, keydown: key }) as [string, EventListener][];
  for (const [name, listener] of all) stage.addEventListener(name, listener, { passive: false });
  return () => {
    for (const [name, listener] of all) stage.removeEventListener(name, listener);
  };
}

/** One of two fingers moved: zoom by how their distance changed, and pan by how their middle moved. */
export function pinch(hands: Pick<Hands, "pan" | "zoom">, other: Point, before: Point, at: Point): void {
  const distance = (point: Point) => Math.max(Math.hypot(point[0] - other[0], point[1] - other[1]), 1);
  hands.pan((at[0] - before[0]) / 2, (at[1] - before[1]) / 2);
  hands.zoom([(at[0] + other[0]) / 2, (at[1] + other[1]) / 2], distance(at) / distance(before));
}

/** The factor of a turn of the wheel; a pinch on a touchpad comes as a wheel with the control key. */
export function zoomOfWheel(delta: number, mode: number, isPinch: boolean): number {
  const pixels = delta * (mode === 0 ? 1 : mode === 1 ? 16 : 400);
  return Math.exp(-Math.min(Math.max(pixels, -240), 240) * (isPinch ? 0.01 : 0.0018));
}

const ARROWS: Readonly<Record<string, Point>> = {
  ArrowLeft: [1, 0],
  ArrowRight: [-1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

/** Do what a key asks; whether it asked for anything. */
export function pressed(event: Pick<KeyboardEvent, "key" | "shiftKey" | "ctrlKey" | "altKey" | "metaKey">, hands: Hands): boolean {
  if (event.ctrlKey || event.altKey || event.metaKey) return false;
  const arrow = ARROWS[event.key];
  if (arrow !== undefined) {
    const step = KEY_STEP * (event.shiftKey ? 4 : 1);
    hands.pan(arrow[0] * step, arrow[1] * step);
  } else if (event.key === "+" || event.key === "=") hands.step(null, 1.6);
  else if (event.key === "-" || event.key === "_") hands.step(null, 1 / 1.6);
  else if (event.key === "0" || event.key === "Home") hands.fitAll();
  else if (event.key === "Enter") hands.choose(null);
  else if (event.key === "Escape") hands.dismiss();
  else return false;
  return true;
}
