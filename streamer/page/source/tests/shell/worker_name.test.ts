import { equal } from "node:assert/strict";
import { test } from "node:test";
import type { Worker } from "../../contract";
import { nameOf } from "../../parts/worker_name";

const worker = (identity: string, url: string | null): Worker => ({
  identity, url, is_self: false, is_reachable: true, partitions: [], standbys: [], release: null,
});
const drawn = (first: string) => `faust-0.13.0-${first}-7a1c-4f60-9d3e-5b8f0c2e6a11`;

test("a worker is called what its instance id says", () => {
  const named = worker("worker-3f2a91c0", "http://10.0.3.17:6066");

  equal(nameOf(named, [named]), "worker-3f2a91c0");
});

test("a worker whose name Kafka drew is called by its address, or where that tells none apart, by what was drawn", () => {
  const own = worker(drawn("3f2a91c0"), "http://10.0.3.17:6066");
  const shared = ["aaaaaaaa", "bbbbbbbb"].map((first) => worker(drawn(first), "http://workers:6066"));
  const silent = worker(drawn("cccccccc"), null);
  const all = [own, ...shared, silent];

  equal(all.map((one) => nameOf(one, all)).join(", "), "10.0.3.17:6066, worker aaaaaaaa, worker bbbbbbbb, worker cccccccc");
});
