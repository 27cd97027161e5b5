/** The desk: what is done with letters, and what came of it. */
import { ask } from "../api";
import type { LettersDone } from "../contract";
import { type Choice, portions, sum } from "./choice";

export type Deed = "send-again" | "discard";

/** Do it with all letters of a choice, portion by portion. Throws a QueryError; portions before it are done. */
export async function carryOut(deed: Deed, choice: Choice): Promise<LettersDone> {
  const results: LettersDone[] = [];
  for (const letters of portions(choice)) {
    results.push(await ask<LettersDone>(`dead-letters/${deed}`, deed === "discard" ? { letters, confirm: true } : { letters }));
  }
  return sum(results);
}
