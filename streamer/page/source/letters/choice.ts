/** A choice of letters, by their places. */
import type { LetterPlace, LettersDone } from "../contract";

export type Choice = ReadonlyMap<string, LetterPlace>;

/** A worker takes no more letters at once. */
export const MOST_AT_ONCE = 200;

export function keyOf({ partition, offset }: LetterPlace): string {
  return `${partition}:${offset}`;
}

export function choiceOf(letters: readonly LetterPlace[]): Choice {
  return new Map(letters.map(({ partition, offset }) => [keyOf({ partition, offset }), { partition, offset }]));
}

export function toggled(choice: Choice, letter: LetterPlace): Choice {
  const key = keyOf(letter);
  const changed = new Map(choice);
  if (!changed.delete(key)) changed.set(key, { partition: letter.partition, offset: letter.offset });
  return changed;
}

/** Of a choice, what is still listed. */
export function within(choice: Choice, letters: readonly LetterPlace[]): Choice {
  return choiceOf(letters.filter((letter) => choice.has(keyOf(letter))));
}

export function portions(choice: Choice): LetterPlace[][] {
  const letters = [...choice.values()];
  return Array.from({ length: Math.ceil(letters.length / MOST_AT_ONCE) }, (_, i) =>
    letters.slice(i * MOST_AT_ONCE, (i + 1) * MOST_AT_ONCE),
  );
}

export function sum(results: readonly LettersDone[]): LettersDone {
  return {
    done: results.reduce((all, { done }) => all + done, 0),
    refused: results.flatMap(({ refused }) => refused),
  };
}
