/** The list of letters, newest first: each can be opened, and chosen by who may act. */
import { mayAct } from "../access";
import type { LetterSummary } from "../contract";
import { inWords } from "../format";
import { Ago } from "../parts/ago";
import { visible } from "../parts/user_id";
import { type Choice, keyOf } from "./choice";

interface Props {
  readonly letters: readonly LetterSummary[];
  readonly open: string | null;
  readonly choice: Choice;
  readonly onToggle: (letter: LetterSummary) => void;
}

export function LetterList({ letters, open, choice, onToggle }: Props) {
  return (
    <ul class={`letter-list ${mayAct.value ? "with-choice" : ""}`} aria-label="Dead letters, newest first">
      {letters.map((letter) => {
        const key = keyOf(letter);
        return (
          <li key={key} class={key === open ? "open" : ""}>
            {mayAct.value && (
              <label class="pick"><input type="checkbox" checked={choice.has(key)} aria-label={`Choose letter ${key}`} onChange={() => onToggle(letter)} /></label>
            )}
            <a href={`#/letters/${letter.partition}/${letter.offset}`} aria-current={key === open ? "true" : undefined}>
              <Ago ms={letter.at} />
              <b>{inWords(letter.cause)}</b>
              <span class="reason">{letter.reason}</span>
              <code class="value"><bdi>{visible(letter.value ?? "null")}</bdi></code>
              <span class="place">{key}{letter.sent_again && <span class="badge good">sent again</span>}{letter.times_sent > 0 && <span class="badge warn">refused {letter.times_sent + 1} times</span>}</span>
            </a>
          </li>
        );
      })}
    </ul>
  );
}
