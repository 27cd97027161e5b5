import "../browser";
import { deepEqual, equal, ok } from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { test } from "node:test";
import type { Figures, FiguresHistory } from "../../contract";
import { connection, figures, forgetAll, goLive, isStale, letters, lettersError } from "../../live";
import { nowMs } from "../../parts/clock";
import { say, serve, until } from "../browser";

const second = (at_ms: number) => ({ at_ms, plays_per_s: 1 }) as Figures;
const event = (at_ms: number) => `event: figures\ndata: ${JSON.stringify({ merged: second(at_ms), workers: {} })}\n\n`;
const LETTERS = { causes: {}, letters: [], next: null, looked_at: 0, is_whole: true, foreign: 0 };

interface Worker {
  history: number[];
  /** Answers about dead letters that fail before one does not. */
  failures: [number, string][];
  streams: ServerResponse[];
}

async function live(worker: Worker, body: () => Promise<void>): Promise<void> {
  const end = await serve(({ url }, response) => {
    if (url.endsWith("/events")) {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.write(": here\n\n");
      worker.streams.push(response);
    } else if (url.endsWith("/figures/history")) {
      say(response, { at_ms: worker.history, plays_per_s: worker.history.map(() => 1) } as unknown as FiguresHistory);
    } else if (url.includes("/dead-letters")) {
      const [status, code] = worker.failures.shift() ?? [200, ""];
      say(response, code ? { error: { code, message: "not now" } } : LETTERS, status, { "Retry-After": "0.05" });
    } else say(response, { state: "stable", workers: [], num_partitions: 0 });
  });
  const leave = goLive();
  try {
    await body();
  } finally {
    leave();
    end();
    forgetAll();
  }
}

const times = () => figures.value.map(({ at_ms }) => at_ms);

test("figures of a stream that is open and silent are stale once they are older than three seconds", async () => {
  const worker: Worker = { history: [], failures: [], streams: [] };
  await live(worker, async () => {
    await until(() => worker.streams.length === 1, "a stream");
    worker.streams[0]!.write(event(1000));
    await until(() => figures.value.length === 1, "figures");
    nowMs.value = Date.now();
    ok(!isStale.value);

    nowMs.value = Date.now() + 3_500;
    equal(connection.value, "open");
    ok(isStale.value);

    nowMs.value = Date.now();
    ok(!isStale.value);
  });
});

test("figures are stale from the end of a connection until the next connection brings new ones", async () => {
  const worker: Worker = { history: [], failures: [], streams: [] };
  const seen: string[] = [];
  await live(worker, async () => {
    await until(() => worker.streams.length === 1, "a stream");
    worker.streams[0]!.write(event(1000));
    await until(() => figures.value.length === 1, "figures");
    nowMs.value = Date.now();
    const stop = connection.subscribe((state) => { seen.push(`${state} ${state === "open" ? "" : isStale.value}`.trim()); });
    worker.streams[0]!.destroy();
    await until(() => worker.streams.length === 2, "another stream");
    worker.streams[1]!.write(event(4000));
    await until(() => figures.value.length === 2, "new figures");
    stop();

    deepEqual(seen, ["open", "lost true", "connecting true", "open"]);
    ok(!isStale.value);
  });
});

test("seconds that passed while nothing was connected are filled in, and none is there twice", async () => {
  const worker: Worker = { history: [], failures: [], streams: [] };
  await live(worker, async () => {
    await until(() => worker.streams.length === 1, "a stream");
    worker.streams[0]!.write(event(2000) + event(3000));
    await until(() => figures.value.length === 2, "figures");
    worker.history = [1000, 2010, 3010, 4010, 5010];
    worker.streams[0]!.destroy();
    await until(() => worker.streams.length === 2, "another stream");
    worker.streams[1]!.write(event(6000));

    await until(() => figures.value.length === 6, "what was missed");
    deepEqual(times(), [1000, 2000, 3000, 4010, 5010, 6000]);
  });
});

test("dead letters are asked for again while Kafka does not answer, and meanwhile it is said why", async () => {
  const worker: Worker = { history: [], failures: [[503, "unavailable"], [429, "busy"]], streams: [] };
  const said: string[] = [];
  await live(worker, async () => {
    const stop = lettersError.subscribe((error) => { if (error instanceof Error) said.push(error.message); });
    await until(() => letters.value !== null, "letters");
    stop();

    deepEqual(said, ["not now", "not now"]);
    deepEqual([letters.value, lettersError.value], [[], null]);
  });
});

test("what may not be read is said, and not asked for again", async () => {
  const worker: Worker = { history: [], failures: [[403, "forbidden"], [503, "unavailable"]], streams: [] };
  await live(worker, async () => {
    await until(() => lettersError.value !== null, "an error");

    await new Promise((resolve) => { setTimeout(resolve, 150); });
    equal(worker.failures.length, 1);
  });
});
