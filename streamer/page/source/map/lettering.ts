/** The lettering of the map: the names of regions, of tracks in close views, and of the tracks of a listener's lists. */
import { type Point, toScreen } from "./camera";
import type { Sheet } from "./ink";
import { type Box, type Label, place, shorten, strengthOfRegions, strengthOfTracks, whole } from "./labels";
import { tasteAt } from "./path";
import { type Scene, pixelOf } from "./scene";

const LONGEST = 34; // characters of a name
const OF_A_LIST = 3; // tracks of each list that are named
const LINE = 15; // pixels of a line
const HEAD_ROOM = 8; // pixels around the middle of a head

interface Lettered extends Label {
  readonly text: string;
  readonly font: string;
  readonly colour: string;
  readonly strength: number;
}

/**
 * Draw the names that fit.
 * @param floats what is above the map: no name goes beneath it
 * @param before the keys of those in the last frame
 * @returns the keys of those in this one
 */
export function drawLettering(sheet: Sheet, magnification: number, floats: readonly Box[], before: ReadonlySet<string>): ReadonlySet<string> {
  const { context, scene, window } = sheet;
  const placed = place(whole(candidates(sheet, magnification), window), before, [...headsOf(sheet), ...floats]);
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  for (const { x, y, text, font, colour, strength } of placed) {
    context.font = font;
    context.globalAlpha = strength;
    context.lineWidth = 4;
    context.strokeStyle = scene.theme.paper;
    context.strokeText(text, x, y);
    context.fillStyle = colour;
    context.fillText(text, x, y);
  }
  context.globalAlpha = 1;
  return new Set(placed.map(({ key }) => key));
}

/** Where the heads of a listener's tastes are: no name covers them. */
function headsOf({ scene, camera, window }: Sheet): Box[] {
  const { ways, moment } = scene.wanderer ?? { ways: [], moment: 0 };
  return ways.flatMap(({ points }) => {
    const taste = tasteAt(points, moment);
    if (taste === null) return [];
    const [x, y] = toScreen(camera, window, taste);
    return [{ left: x - HEAD_ROOM, right: x + HEAD_ROOM, top: y - HEAD_ROOM, bottom: y + HEAD_ROOM }];
  });
}

function candidates(sheet: Sheet, magnification: number): Lettered[] {
  return [...nameOfPointed(sheet), ...namesOfLists(sheet), ...namesOfRegions(sheet, magnification), ...namesOfTracks(sheet, magnification)];
}

/** The track that is pointed at has its name whatever is around it. */
function nameOfPointed(sheet: Sheet): Lettered[] {
  const row = sheet.scene.pointed ?? sheet.scene.selected;
  if (row === null) return [];
  const [named] = nameOfTrack(sheet, row, 1, Number.POSITIVE_INFINITY);
  return named === undefined ? [] : [{ ...named, y: named.y - 4 }];
}

function namesOfRegions(sheet: Sheet, magnification: number): Lettered[] {
  const { scene, camera, window } = sheet;
  const strength = strengthOfRegions(magnification) * (scene.wanderer === null ? 1 : 0.75);
  if (strength <= 0.05) return [];
  const most = Math.max(...scene.regions.map(({ tracks }) => tracks), 1);
  return scene.regions.flatMap(({ label, tracks, x, y }, index) => {
    if (label === null) return [];
    const size = Math.round(11.5 + 4 * Math.sqrt(tracks / most));
    const font = `560 ${size}px ${scene.theme.font}`;
    const at = toScreen(camera, window, [x, y]);
    return [lettered(sheet, `region ${index}`, shorten(label, LONGEST), at, { font, strength, weight: 1e3 + tracks })];
  });
}

function namesOfTracks(sheet: Sheet, magnification: number): Lettered[] {
  const { scene } = sheet;
  const strength = strengthOfTracks(magnification);
  if (strength <= 0.05) return [];
  return scene.named.flatMap((row) => nameOfTrack(sheet, row, strength, scene.layout.weights[row]!));
}

function namesOfLists(sheet: Sheet): Lettered[] {
  const { scene } = sheet;
  const ways = scene.wanderer?.ways ?? [];
  return ways.flatMap(({ rows }, horizon) =>
    rows.slice(0, OF_A_LIST).flatMap((row, place) => nameOfTrack(sheet, row, 1, 1e9 - 10 * place - horizon)),
  );
}

function nameOfTrack(sheet: Sheet, row: number, strength: number, weight: number): Lettered[] {
  const { scene, camera, window } = sheet;
  const name = scene.nameOf(row);
  if (name === null) return [];
  const [x, y] = pixelOf(scene, camera, window, row);
  const font = `400 12px ${scene.theme.font}`;
  return [lettered(sheet, `track ${row}`, shorten(name, LONGEST), [x, y - LINE], { font, strength, weight })];
}

interface Style {
  readonly font: string;
  readonly strength: number;
  readonly weight: number;
}

const widths = new WeakMap<Scene["theme"], Map<string, number>>();

function lettered({ context, scene }: Sheet, key: string, text: string, [x, y]: Point, style: Style): Lettered {
  const known = widths.get(scene.theme) ?? new Map<string, number>();
  widths.set(scene.theme, known);
  let width = known.get(style.font + text);
  if (width === undefined) {
    context.font = style.font;
    width = context.measureText(text).width;
    known.set(style.font + text, width);
  }
  return { key, text, x, y, width, height: LINE, colour: scene.theme.ink, ...style };
}
