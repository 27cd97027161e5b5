/** The newest letters; one that was read from the topic may be told of once more. */
import type { LetterSummary } from "../contract";
import { keyOf } from "./choice";

export function withNew(known: readonly LetterSummary[], letter: LetterSummary, most: number): LetterSummary[] {
  return [letter, ...known.filter((one) => keyOf(one) !== keyOf(letter))].slice(0, most);
}
