import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { fading, pathUntil, tasteAt, wayUntil } from "../../map/path";
import { PLAYS_PER_S, advance, begin, beginEarlier, isMoving, renumber, seek, toggle } from "../../map/replay";

const points = [[0, 0], [1, 0], [1, 2]] as const;
const numbers = (first: number, count: number) => Array.from({ length: count }, (_, i) => first + i);

test("a taste is at a play's point at its moment, and between two of them on the way", () => {
  deepEqual(tasteAt(points, 1), [1, 0]);
  deepEqual(tasteAt(points, 0.5), [0.5, 0]);
  deepEqual(tasteAt(points, 99), [1, 2]);
  equal(tasteAt([], 0), null);
  deepEqual(wayUntil(points, 1.5), [[0, 0], [1, 0], [1, 1]]);
  ok(fading(9, 10) === 1 && fading(0, 60) === 0.1);
});

test("a path ends with the newest play that is shown", () => {
  const path = { release: "r", plays: [7, 8, 9], horizons: [{ horizon: "short-term" as const, points }] };

  deepEqual(pathUntil(path, 8), { release: "r", plays: [7, 8], horizons: [{ horizon: "short-term", points: points.slice(0, 2) }] });
  equal(pathUntil(path, 9), path);
});

test("a replay runs to the latest play, and is live there", () => {
  let replay = toggle(seek(begin(5), 0));
  ok(replay.isRunning && !replay.isLive);
  replay = advance(replay, 2 / PLAYS_PER_S);
  equal(replay.moment, 2);
  replay = advance(replay, 10);

  deepEqual(replay, { moment: 4, last: 4, isRunning: false, isLive: true });
  ok(!isMoving(replay));
});

test("a replay that is started at the end begins at the beginning", () => {
  equal(toggle(begin(9)).moment, 0);
  equal(toggle(begin(1)).isRunning, false);
  equal(beginEarlier(64).moment, 51);
});

test("a new play moves a live replay on, and leaves a stopped one at its play", () => {
  const live = renumber(begin(3), numbers(1, 3), numbers(1, 4));
  ok(isMoving(live));
  equal(advance(live, 10).moment, 3);
  const stopped = renumber(seek(begin(3), 1), numbers(1, 3), numbers(1, 4));
  equal(stopped.moment, 1);
  ok(!isMoving(stopped));
});

test("as old plays are forgotten, the moment stays at its play", () => {
  equal(renumber(seek(begin(64), 20), numbers(1, 64), numbers(4, 64)).moment, 17);
  equal(renumber(seek(begin(64), 1), numbers(1, 64), numbers(30, 64)).moment, 0);
});

test("a moment that is sought is within the plays", () => {
  equal(seek(begin(3), 7).moment, 2);
  ok(seek(begin(3), 2).isLive && !seek(begin(3), 1).isLive);
});
