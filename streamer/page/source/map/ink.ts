/** The ink over the tracks: a listener's way, the tracks of their lists, what is pointed at. */
import { type Camera, type Point, type Size, toScreen } from "./camera";
import { fading, tasteAt, wayUntil } from "./path";
import type { Horizon } from "../contract";
import { type Scene, type Wanderer, type Way, pixelOf } from "./scene";

const HEAD = 7; // pixels, the radius of a head

export interface Sheet {
  readonly context: CanvasRenderingContext2D;
  readonly scene: Scene;
  readonly camera: Camera;
  readonly window: Size;
}

/** @param crosshair where the keyboard points; null: it is not used */
export function drawInk(sheet: Sheet, crosshair: Point | null): void {
  const { scene } = sheet;
  if (scene.wanderer !== null) drawWanderer(sheet, scene.wanderer);
  if (scene.selected !== null) drawRing(sheet, scene.selected, 11, 2);
  if (scene.pointed !== null && scene.pointed !== scene.selected) drawRing(sheet, scene.pointed, 9, 1.5);
  if (crosshair !== null) drawCrosshair(sheet, crosshair);
}

function drawWanderer(sheet: Sheet, wanderer: Wanderer): void {
  drawTrail(sheet, wanderer);
  for (const way of wanderer.ways) drawMarks(sheet, way);
  for (const way of wanderer.ways) drawWay(sheet, way, wanderer.moment);
  for (const way of wanderer.ways) drawHead(sheet, way, wanderer.moment);
}

/** The plays up to the moment, joined in the order they were played. */
function drawTrail({ context, scene, camera, window }: Sheet, { plays, moment }: Wanderer): void {
  const { ink } = scene.theme;
  let before: Point | null = null;
  plays.slice(0, Math.floor(moment) + 1).forEach((row, index) => {
    if (row === null) return;
    const here = pixelOf(scene, camera, window, row);
    const strength = 0.5 * fading(index, moment, 24);
    if (before !== null) {
      context.globalAlpha = strength * 0.7;
      stroke(context, [before, here], ink, 0.8);
    }
    context.globalAlpha = strength + 0.15;
    dot(context, here, 2.2, ink);
    before = here;
  });
  context.globalAlpha = 1;
}

/** How the tracks of a list are drawn up to a place: the best ones largest. */
const MARKS = [
  { until: 5, radius: 4.5, width: 1.8, strength: 1 },
  { until: 20, radius: 2.8, width: 1.3, strength: 0.8 },
  { until: Number.POSITIVE_INFINITY, radius: 1.7, width: 1, strength: 0.6 },
];

/** The tracks of a list: circles for the short term, diamonds for the long term. */
function drawMarks({ context, scene, camera, window }: Sheet, { horizon, rows }: Way): void {
  rows.forEach((row, place) => {
    const { radius, width, strength } = MARKS.find(({ until }) => place < until)!;
    context.globalAlpha = strength;
    outline(context, horizon, pixelOf(scene, camera, window, row), radius);
    for (const [colour, wide] of [[scene.theme.paper, width + 1.8], [scene.theme.horizons[horizon], width]] as const) {
      context.lineWidth = wide;
      context.strokeStyle = colour;
      context.stroke();
    }
  });
  context.globalAlpha = 1;
}

/** A way, stretch by stretch: the short term's is a line, the long term's is dashed and wider. */
function drawWay({ context, scene, camera, window }: Sheet, { horizon, points }: Way, moment: number): void {
  const way = wayUntil(points, moment).map((point) => toScreen(camera, window, point));
  const width = horizon === "short-term" ? 2 : 3;
  context.lineCap = "round";
  for (let index = 0; index + 1 < way.length; index++) {
    const stretch = [way[index]!, way[index + 1]!];
    context.globalAlpha = fading(index, moment);
    stroke(context, stretch, scene.theme.paper, width + 2.5);
    context.setLineDash(horizon === "short-term" ? [] : [1, 5]);
    stroke(context, stretch, scene.theme.horizons[horizon], width);
    context.setLineDash([]);
  }
  context.globalAlpha = 1;
}

function drawHead({ context, scene, camera, window }: Sheet, { horizon, points }: Way, moment: number): void {
  const taste = tasteAt(points, moment);
  if (taste === null) return;
  const here = toScreen(camera, window, taste);
  const colour = scene.theme.horizons[horizon];
  const arrival = 1 - (moment - Math.floor(moment));
  context.globalAlpha = 0.22 * arrival;
  dot(context, here, HEAD * (1.6 + 1.2 * (1 - arrival)), colour);
  context.globalAlpha = 1;
  outline(context, horizon, here, HEAD);
  context.fillStyle = colour;
  context.fill();
  context.lineWidth = 2;
  context.strokeStyle = scene.theme.paper;
  context.stroke();
}

function drawRing({ context, scene, camera, window }: Sheet, row: number, radius: number, width: number): void {
  const here = pixelOf(scene, camera, window, row);
  for (const [colour, wide] of [[scene.theme.paper, width + 2.5], [scene.theme.ink, width]] as const) {
    outline(context, "short-term", here, radius);
    context.lineWidth = wide;
    context.strokeStyle = colour;
    context.stroke();
  }
}

function drawCrosshair({ context, scene }: Sheet, [x, y]: Point): void {
  for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]] as const) {
    const arm: Point[] = [[x + 6 * dx, y + 6 * dy], [x + 15 * dx, y + 15 * dy]];
    stroke(context, arm, scene.theme.paper, 4);
    stroke(context, arm, scene.theme.ink, 1.5);
  }
}

function outline(context: CanvasRenderingContext2D, horizon: Horizon, [x, y]: Point, radius: number): void {
  context.beginPath();
  if (horizon === "short-term") {
    context.arc(x, y, radius, 0, 2 * Math.PI);
    return;
  }
  const reach = radius * 1.25; // a diamond as large as the circle
  context.moveTo(x, y - reach);
  context.lineTo(x + reach, y);
  context.lineTo(x, y + reach);
  context.lineTo(x - reach, y);
  context.closePath();
}

function dot(context: CanvasRenderingContext2D, [x, y]: Point, radius: number, colour: string): void {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fillStyle = colour;
  context.fill();
}

function stroke(context: CanvasRenderingContext2D, points: readonly Point[], colour: string, width: number): void {
  context.beginPath();
  points.forEach(([x, y], index) => (index ? context.lineTo(x, y) : context.moveTo(x, y)));
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke();
}
