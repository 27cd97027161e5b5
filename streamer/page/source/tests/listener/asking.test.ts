import { deepEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import { Asking } from "../../listener/asking";

/** Who answers when told to, and which questions were put. */
function oracle() {
  const asked: { question: string; stop: AbortSignal; answer: () => void }[] = [];
  const asking = new Asking<string>((question, stop) => new Promise((answer) => { asked.push({ question, stop, answer }); }));
  const answer = async (index: number) => { asked[index]?.answer(); await new Promise((done) => { setTimeout(done); }); };
  return { asking, asked, answer };
}

test("a question that is asked again is answered first, then put once more", async () => {
  const { asking, asked, answer } = oracle();
  for (let times = 0; times < 3; times++) asking.ask("without 7");
  deepEqual(asked.map(({ question }) => question), ["without 7"]);
  ok(!asked[0]?.stop.aborted);

  await answer(0);
  deepEqual(asked.length, 2);
  await answer(1);
  deepEqual(asked.length, 2);

  asking.ask("without 7");
  deepEqual(asked.length, 3);
});

test("another question ends the one before", async () => {
  const { asking, asked, answer } = oracle();
  asking.ask("without 7");
  asking.ask("without 7");
  asking.ask("without 7 and 8");
  ok(asked[0]?.stop.aborted && !asked[1]?.stop.aborted);

  await answer(0);
  deepEqual(asked.map(({ question }) => question), ["without 7", "without 7 and 8"]);

  asking.end();
  ok(asked[1]?.stop.aborted);
});
