import "../browser";
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { type QueryError, ask, askPatiently, follow } from "../../api";
import { say, serve, until } from "../browser";

const REFUSALS = [[400, "bad_request"], [401, "unauthorized"], [403, "forbidden"], [413, "too_large"]] as const;

for (const [status, code] of REFUSALS) {
  test(`a stream that is refused with ${status} is not asked for again`, async () => {
    let count = 0;
    const end = await serve((_, response) => { count++; say(response, { error: { code, message: "not so" } }, status); });
    const states: string[] = [];
    const stop = follow("events", {}, { onEvent: () => undefined, onState: (state, error) => { states.push(`${state} ${error?.message}`); } });

    await until(() => states.length > 0, "a refusal");
    await new Promise((resolve) => { setTimeout(resolve, 800); }); // the first wait is 625 ms at most
    stop();
    end();

    deepEqual(states, ["lost not so"]);
    equal(count, 1);
  });
}

test("a stream that no worker can be found for is asked for again", async () => {
  let count = 0;
  const end = await serve((_, response) => { count++; say(response, "of a proxy", 502, { "Retry-After": "0.01" }); });
  const stop = follow("events", {}, { onEvent: () => undefined });

  await until(() => count > 2, "a third question");
  stop();
  end();
});

test("an answer that breaks off is asked for again", async () => {
  let count = 0;
  const end = await serve((_, response) => {
    if (count++) return say(response, ["whole"]);
    response.writeHead(200, { "Content-Type": "application/json", "Content-Length": "100" });
    response.write('["half');
    setTimeout(() => response.destroy(), 50);
  });
  const codes: string[] = [];

  const answer = await askPatiently("tracks", undefined, new AbortController().signal, (error) => { codes.push((error as QueryError).code); });
  end();

  deepEqual([answer, codes], [["whole"], ["unreachable"]]);
});

test("a question that is no longer wanted is not taken for one that failed", async () => {
  const end = await serve(() => undefined);
  const stop = new AbortController();
  const asked = ask("tracks", undefined, stop.signal).catch((problem: Error) => problem.name);

  stop.abort();
  end();

  equal(await asked, "AbortError");
});
