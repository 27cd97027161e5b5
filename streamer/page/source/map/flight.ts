/** Flights: the camera's way from one view to another, as smooth to the eye as its length allows. */
import type { Camera, Size } from "./camera";

export interface Flight {
  readonly durationMs: number;
  /** The camera at a share of the duration, 0..1. */
  at(share: number): Camera;
}

const CURVATURE = Math.SQRT2; // how far a flight zooms out on its way; the value users preferred in the paper
const MS_PER_LENGTH = 420;
const MAX_MS = 1600;

/**
 * Plan a flight after van Wijk and Nuij, "Smooth and efficient zooming and panning", 2003: equations 9 to 11, with
 * w the width of the view, u the way covered on the plane and s the length of the path, which is covered evenly.
 */
export function plan(from: Camera, to: Camera, window: Size): Flight {
  const extent = Math.max(window.width, window.height);
  const [w0, w1] = [extent / from.scale, extent / to.scale];
  const [dx, dy] = [to.x - from.x, to.y - from.y];
  const distance = Math.hypot(dx, dy);
  const path = distance < w0 * 1e-4 ? straight(w0, w1) : curved(w0, w1, distance);
  return {
    durationMs: Math.min(MAX_MS, Math.max(1, path.length * MS_PER_LENGTH)),
    at(share) {
      if (share >= 1) return to;
      const [u, w] = path.at(ease(share) * path.length);
      const part = distance < w0 * 1e-4 ? ease(share) : u / distance;
      return { x: from.x + dx * part, y: from.y + dy * part, scale: extent / w };
    },
  };
}

interface Path {
  readonly length: number;
  at(s: number): [u: number, w: number];
}

/** The same middle: nothing but a zoom. */
function straight(w0: number, w1: number): Path {
  const length = Math.abs(Math.log(w1 / w0)) / CURVATURE;
  const sign = w1 < w0 ? -1 : 1;
  return { length, at: (s) => [0, w0 * Math.exp(sign * CURVATURE * s)] };
}

function curved(w0: number, w1: number, u1: number): Path {
  const rho2 = CURVATURE ** 2;
  const bend = (w: number, sign: number) => (w1 ** 2 - w0 ** 2 + sign * rho2 ** 2 * u1 ** 2) / (2 * w * rho2 * u1);
  const [b0, b1] = [bend(w0, 1), bend(w1, -1)];
  const [r0, r1] = [-Math.asinh(b0), -Math.asinh(b1)];
  return {
    length: (r1 - r0) / CURVATURE,
    at(s) {
      const r = CURVATURE * s + r0;
      return [(w0 / rho2) * (Math.cosh(r0) * Math.tanh(r) - Math.sinh(r0)), (w0 * Math.cosh(r0)) / Math.cosh(r)];
    },
  };
}

/** Begin and end gently. */
function ease(share: number): number {
  const t = Math.min(Math.max(share, 0), 1);
  return t * t * (3 - 2 * t);
}
