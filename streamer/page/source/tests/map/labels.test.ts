import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { type Label, place, shorten, strengthOfRegions, strengthOfTracks, whole } from "../../map/labels";

const label = (key: string, x: number, y: number, weight: number): Label => ({ key, x, y, weight, width: 80, height: 15 });
const keys = (labels: readonly Label[]) => labels.map(({ key }) => key);

test("of two labels that touch, the weightier is placed", () => {
  const placed = place([label("light", 100, 100, 1), label("heavy", 150, 105, 2), label("apart", 400, 100, 0)], new Set());

  deepEqual(keys(placed), ["heavy", "apart"]);
});

test("no two of many labels touch", () => {
  const many = Array.from({ length: 200 }, (_, i) => label(`${i}`, (i * 37) % 600, (i * 91) % 400, i % 13));
  const placed = place(many, new Set());

  ok(placed.length > 10);
  for (const a of placed) {
    for (const b of placed) ok(a === b || Math.abs(a.x - b.x) >= 80 || Math.abs(a.y - b.y) >= 15);
  }
});

test("a label that was there before stays ahead of one of equal weight", () => {
  const labels = [label("a", 100, 100, 1), label("b", 140, 100, 1)];

  deepEqual(keys(place(labels, new Set())), ["a"]);
  deepEqual(keys(place(labels, new Set(["b"]))), ["b"]);
});

test("a label of infinite weight is placed whatever is in the way, and others make room for it", () => {
  const placed = place([label("pointed", 100, 100, Number.POSITIVE_INFINITY), label("other", 120, 100, 1)], new Set(), [{ left: 95, right: 105, top: 95, bottom: 105 }]);

  deepEqual(keys(placed), ["pointed"]);
});

test("no label covers what is in the way", () => {
  deepEqual(place([label("a", 100, 100, 1)], new Set(), [{ left: 95, right: 105, top: 95, bottom: 105 }]), []);
});

test("a label is moved so far that the window's sides do not cut it, and is left out where its place is outside", () => {
  const labels = [label("left", 3, 50, 0), label("middle", 200, 50, 0), label("right", 395, 50, 0), label("outside", -1, 50, 0), label("below", 200, 301, 0)];

  deepEqual(whole(labels, { width: 400, height: 300 }).map(({ key, x }) => [key, x]), [["left", 44], ["middle", 200], ["right", 356]]);
});

test("regions are named on the whole map, tracks in close views", () => {
  equal(strengthOfRegions(1), 1);
  equal(strengthOfTracks(1), 0);
  equal(strengthOfTracks(8), 1);
  ok(strengthOfRegions(8) < 0.6);
  equal(strengthOfRegions(64), 0);
});

test("a long name is cut at a word's end", () => {
  equal(shorten("A short name", 34), "A short name");
  equal(shorten("The Rime of the Ancient Mariner and more", 24), "The Rime of the Ancient…");
  equal(shorten("Pneumonoultramicroscopic", 10), "Pneumonou…");
});
