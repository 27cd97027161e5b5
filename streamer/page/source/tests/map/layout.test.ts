import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import { readLayout } from "../../map/layout";

/** A layout of three tracks, byte by byte. */
function threeTracks(): DataView {
  const bytes = new DataView(new ArrayBuffer(16 + 3 * 10));
  [..."RMAP"].forEach((letter, place) => bytes.setUint8(place, letter.charCodeAt(0)));
  bytes.setUint32(4, 1, true);
  bytes.setUint32(8, 3, true);
  [0.5, -0.5, 1, -1, 0.25, 0].forEach((coordinate, place) => bytes.setFloat32(16 + 4 * place, coordinate, true));
  [3, 11, 0, 255, 0, 128].forEach((part, place) => bytes.setUint8(40 + place, part));
  return bytes;
}

test("a layout is read column by column", () => {
  const layout = readLayout(threeTracks().buffer as ArrayBuffer, "a release");

  equal(layout.size, 3);
  deepEqual([...layout.xs], [0.5, -0.5, 1]);
  deepEqual([...layout.ys], [-1, 0.25, 0]);
  deepEqual([...layout.groups], [3, 11, 0]);
  deepEqual([...layout.weights], [255, 0, 128]);
});

test("what is no layout, another version or cut short is refused in words", () => {
  const cut = threeTracks().buffer.slice(0, 40) as ArrayBuffer;
  const newer = threeTracks();
  newer.setUint32(4, 2, true);

  throws(() => readLayout(new ArrayBuffer(40), ""), /is no map/);
  throws(() => readLayout(newer.buffer as ArrayBuffer, ""), /format 2/);
  throws(() => readLayout(cut, ""), /cut short: 40 bytes for 3 tracks/);
});
