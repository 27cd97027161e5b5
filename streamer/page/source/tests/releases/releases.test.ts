import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import type { Judgement, ListedRelease, LiveHits } from "../../contract";
import { pictureOf, presentOf, timesWithin } from "../../releases/reigns";
import { metricsOf, needsForce, standingOf } from "../../releases/standing";

const plain: ListedRelease = {
  id: "a", location: "releases/a", mark: "", is_champion: false, created_at_ms: 0, window: null, hit_rate_at_20: null,
  judgement: null, fault: null, answered_from: null, answered_to: null, live: [],
};
const judged = (passed: boolean | null): Judgement => ({
  passed, verdict: null, judged: null, figures: {}, champion: null, differences: {}, baselines: {},
});
const live = (from: number, to: number, rate: number | null): LiveHits => ({
  release: "a", promoted_at: from, answered_from: from, answered_to: to, listeners: 5, plays: rate === null ? 0 : 100, hit_rate_at_20: rate,
  low: (rate ?? 0) - 0.02, high: (rate ?? 0) + 0.02, popularity_hit_rate_at_20: 0.1,
});

test("only a release that the gate never let through must be forced, unless it was champion before", () => {
  const refused = { ...plain, judgement: judged(false) };

  ok(needsForce(refused) && needsForce(plain));
  ok(!needsForce({ ...plain, judgement: judged(true) }));
  ok(!needsForce({ ...refused, answered_from: 7 }));
  ok(!needsForce({ ...refused, mark: "before" }));
});

test("a release stands as champion, damaged, or as the gate said", () => {
  equal(standingOf({ ...plain, is_champion: true, judgement: judged(true) }), "champion");
  equal(standingOf({ ...plain, is_champion: true, fault: "a file is missing" }), "damaged");
  equal(standingOf({ ...plain, judgement: judged(false) }), "refused");
  equal(standingOf({ ...plain, judgement: judged(null) }), "unjudged");
});

test("metrics come in the order of the gate", () => {
  const interval = { mean: 0, low: 0, high: 0 };
  const figures = { "nDCG@10": interval, "recall@100": interval, "HR@20": interval };

  deepEqual(metricsOf([plain, { ...plain, judgement: { ...judged(true), figures } }]), ["HR@20", "recall@100", "nDCG@10"]);
});

test("reigns are in the order of time, and those without a play are left out", () => {
  const picture = pictureOf([
    { ...plain, id: "new", live: [live(500, 900, 0.3)] },
    { ...plain, id: "unheard", live: [live(300, 500, null)] },
    { ...plain, id: "old", live: [live(0, 300, 0.2)] },
  ])!;

  deepEqual(picture.reigns.map(({ id }) => id), ["old", "new"]);
  deepEqual([picture.fromMs, picture.toMs], [0, 900]);
  ok(picture.most >= 0.32);
  equal(pictureOf([plain]), null);
});

test("a release that is rolled back to has a reign for each time it answered", () => {
  const back = { ...plain, id: "old", is_champion: true, answered_from: 600, live: [live(0, 300, 0.2), live(600, 900, 0.4)] };
  const picture = pictureOf([{ ...plain, id: "new", live: [live(300, 600, 0.1)] }, back])!;

  deepEqual(picture.reigns.map(({ id, rate, isChampion }) => [id, rate, isChampion]), [["old", 0.2, false], ["new", 0.1, false], ["old", 0.4, true]]);
  equal(presentOf(back)?.hit_rate_at_20, 0.4);
  equal(presentOf({ ...back, answered_from: 950 }), undefined); // promoted again, and nobody has played since
});

test("times are round, and no more than there is room for", () => {
  const hour = 3_600_000;
  const times = timesWithin(10.2 * hour, 17.9 * hour, 4);

  ok(times.length >= 2 && times.length <= 4);
  for (const ms of times) ok(ms >= 10.2 * hour && ms <= 17.9 * hour && ms % (hour / 60) === 0);
});
