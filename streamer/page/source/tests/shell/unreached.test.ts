import "../browser";
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import type { Worker, Workers } from "../../contract";
import { arrange } from "../../parts/partitions";
import { unreachedWords } from "../../parts/unreached";

const worker = (identity: string, partitions: number[], is_reachable: boolean, standbys: number[] = []): Worker => ({
  identity, url: null, is_self: false, is_reachable, partitions, standbys, release: null,
});
const all = (...workers: Worker[]): Workers => ({ state: "stable", workers, num_partitions: 4 });

test("what waits in partitions whose owner cannot be reached is said to be known to nobody", () => {
  const here = worker("w0", [0, 1, 2], true);

  equal(unreachedWords(all(here, worker("w1", [3], false))), "1 of 4 partitions belongs to a worker that cannot be reached: its plays may wait, and nobody knows how many.");
  equal(unreachedWords(all(worker("w1", [2, 3], false))), "2 of 4 partitions belong to a worker that cannot be reached: their plays may wait, and nobody knows how many.");
  equal(unreachedWords(all(worker("w1", [2], false), worker("w2", [3], false))), "2 of 4 partitions belong to workers that cannot be reached: their plays may wait, and nobody knows how many.");
});

test("a worker that owns nothing leaves nothing unknown, reached or not", () => {
  equal(unreachedWords(all(worker("w0", [0, 1, 2, 3], true), worker("w1", [], false))), null);
});

test("squares of a worker that cannot be reached are of another kind, its replicas are not", () => {
  const { cells } = arrange(all(worker("w0", [0, 1, 2], true), worker("w1", [3], false, [0])), 8);

  deepEqual(cells.map(({ key, kind }) => [key, kind]), [
    ["0", "owned"], ["0 of w1", "standby"], ["1", "owned"], ["2", "owned"], ["3", "unreached"],
  ]);
});
