/** The desk: what is done with letters, and what came of it. */
import { ask } from "../api";
import type { LettersDone } from "../contract";
import { number, plural } from "../format";
import { type Choice, keyOf, portions, sum } from "./choice";

export type Deed = "send-again" | "discard";

/** Do it with all letters of a choice, portion by portion. Throws a QueryError; portions before it are done. */
export async function carryOut(deed: Deed, choice: Choice): Promise<LettersDone> {
  const results: LettersDone[] = [];
  for (const letters of portions(choice)) {
    results.push(await ask<LettersDone>(`dead-letters/${deed}`, deed === "discard" ? { letters, confirm: true } : { letters }));
  }
  return sum(results);
}

/** Say what came of it; of one letter alone with which nothing was done, why. */
export function outcomeWords(deed: Deed, { done, refused }: LettersDone): string {
  const verb = deed === "discard" ? "discarded" : "sent again";
  const [only] = refused;
  if (done === 0 && only && refused.length === 1) return `Letter ${keyOf(only)} was not ${verb}: ${only.reason}.`;
  return `${plural(done, "letter")} ${verb}${refused.length ? `, ${number(refused.length)} not` : ""}.`;
}

/** Say of how many letters that was not done. Who discards takes every letter that there is, so that the others are gone. */
export function refusedWords(deed: Deed, count: number): string {
  const were = `${plural(count, "letter")} ${count === 1 ? "was" : "were"}`;
  return deed === "discard" ? `${were} gone already` : `${were} not sent again`;
}
