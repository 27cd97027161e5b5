/** The view of dead letters: how many by cause, the newest first, one shown whole; sent again or discarded. */
import { useEffect, useRef, useState } from "preact/hooks";
import { mayAct } from "../access";
import { ask } from "../api";
import type { LetterPlace, LetterSummary, Letters as Answer, LettersDone } from "../contract";
import { inWords, number, plural } from "../format";
import { Causes } from "../letters/causes";
import { type Choice, choiceOf, keyOf, toggled, within } from "../letters/choice";
import { DeedDialog } from "../letters/deed_dialog";
import { type Deed, outcomeWords, refusedWords } from "../letters/desk";
import { LetterList } from "../letters/letter_list";
import { LetterPane } from "../letters/letter_pane";
import { letters as newest } from "../live";
import { type Answer as Asked, useAnswer } from "../parts/answer";
import { Empty, Failure, Loading } from "../parts/state";
import { go, route } from "../router";
import { useKeys } from "../shortcuts";
import { toast } from "../toasts";

const A_PAGE = 50;
const NOTHING: Choice = new Map();

export function Letters() {
  const [cause, setCause] = useState<string | null>(null);
  const shelf = useShelf(cause);
  const [choice, setChoice] = useState<Choice>(NOTHING);
  const [deed, setDeed] = useState<{ deed: Deed; choice: Choice } | null>(null);
  const [last, setLast] = useState<Done | null>(null);
  const [round, setRound] = useState(0); // of deeds: each may change the letter that is open
  const open = placeIn(route.value.rest);
  useKeys({ Escape: () => { if (open !== null) go("letters"); } });

  if (shelf.first.value === null) {
    return shelf.first.error === null ? <Loading what="dead letters" lines={7} /> : <Failure error={shelf.first.error} onRetry={shelf.first.again} />;
  }
  const done = (what: Deed, result: LettersDone) => {
    toast(outcomeWords(what, result), result.done ? "done" : "failed");
    setLast({ deed: what, refused: result.refused });
    setRound(round + 1);
    setChoice(NOTHING);
    shelf.first.again();
    if (open !== null && !result.refused.some((letter) => keyOf(letter) === keyOf(open))) go("letters");
  };
  const chosen = within(choice, shelf.letters);
  return (
    <div class={`letters ${open === null ? "" : "with-letter"}`}>
      <Headline answer={shelf.first.value} />
      {shelf.first.error !== null && <Failure error={shelf.first.error} />}
      <div class="letters-shelf">
        <Causes causes={shelf.first.value.causes} only={cause} onPick={(one) => { setCause(one); setChoice(NOTHING); }} />
        {last !== null && last.refused.length > 0 && <Refused {...last} onClose={() => setLast(null)} />}
        {!shelf.first.isCurrent && (shelf.first.error === null) && <Loading what="dead letters" lines={7} />}
        {shelf.first.isCurrent && (shelf.letters.length === 0 ? <NoLetters cause={cause} /> : (
          <section aria-labelledby="letter-list">
            <header class="section bar">
              <h2 id="letter-list">{cause === null ? "Newest" : inWords(cause)}</h2>
              {shelf.isBehind && <button type="button" class="quiet" onClick={shelf.first.again}>Show newer letters</button>}
              {mayAct.value && <Acts letters={shelf.letters} chosen={chosen} onChoose={setChoice} onDeed={(what) => setDeed({ deed: what, choice: chosen })} />}
            </header>
            <LetterList letters={shelf.letters} open={open === null ? null : keyOf(open)} choice={chosen} onToggle={(letter) => setChoice(toggled(chosen, letter))} />
            <Further shelf={shelf} />
          </section>
        ))}
      </div>
      {open !== null && <LetterPane key={keyOf(open)} place={open} round={round} onClose={() => go("letters")} onDeed={(what) => setDeed({ deed: what, choice: choiceOf([open]) })} />}
      {deed !== null && <DeedDialog {...deed} onClose={() => setDeed(null)} onDone={done} />}
    </div>
  );
}

/** The letters that are shown: the newest page, and those further down that somebody asked for. */
interface Shelf {
  readonly first: Asked<Answer>;
  readonly letters: readonly LetterSummary[];
  /** `before` of the next page; null: there is none. */
  readonly next: string | null;
  readonly isAsking: boolean;
  readonly error: unknown;
  /** A letter arrived that is not shown. */
  readonly isBehind: boolean;
  readonly showFurther: () => void;
}

function useShelf(cause: string | null): Shelf {
  const first = useAnswer((stop) => ask<Answer>(pathOf(cause, null), undefined, stop), cause ?? "");
  const [further, setFurther] = useState<readonly Answer[]>([]);
  const [isAsking, setIsAsking] = useState(false);
  const [error, setError] = useState<unknown>(null);
  useEffect(() => { setFurther([]); setError(null); }, [first.value]);
  const pages = first.value === null ? [] : [first.value, ...further];
  const letters = pages.flatMap((page) => page.letters);
  const next = pages[pages.length - 1]?.next ?? null;
  const begun = useRef(first.value);
  begun.current = first.value;
  const showFurther = () => {
    const beginning = first.value;
    setIsAsking(true);
    setError(null);
    ask<Answer>(pathOf(cause, next))
      .then((page) => { if (begun.current === beginning) setFurther([...further, page]); }, setError)
      .finally(() => setIsAsking(false));
  };
  const arrived = newest.value?.find((letter) => cause === null || letter.cause === cause);
  const isBehind = arrived !== undefined && letters[0] !== undefined && arrived.at > letters[0].at;
  return { first, letters, next, isAsking, error, isBehind, showFurther };
}

function pathOf(cause: string | null, before: string | null): string {
  const query = new URLSearchParams({ limit: String(A_PAGE) });
  if (cause !== null) query.set("cause", cause);
  if (before !== null) query.set("before", before);
  return `dead-letters?${query}`;
}

/** The letter that the address names. */
function placeIn([partition, offset]: readonly string[]): LetterPlace | null {
  if (!/^\d+$/.test(partition ?? "") || !/^\d+$/.test(offset ?? "")) return null;
  return { partition: Number(partition), offset: Number(offset) };
}

function Headline({ answer: { causes, is_whole, looked_at, foreign } }: { answer: Answer }) {
  const all = Object.values(causes).reduce((sum, count) => sum + count, 0);
  return (
    <div class="headline">
      <h1>{all === 0 ? "No dead letters." : <><b>{plural(all, "play")}</b> {all === 1 ? "was" : "were"} refused, and {all === 1 ? "waits" : "wait"} here.</>}</h1>
      <p class="under">
        {!is_whole && <span>Of the newest {plural(looked_at, "record")} of the topic; older ones are not counted.</span>}
        {foreign > 0 && <span>{plural(foreign, "record")} of the topic {foreign === 1 ? "is" : "are"} no letter that this version reads.</span>}
      </p>
    </div>
  );
}

function NoLetters({ cause }: { cause: string | null }) {
  if (cause !== null) return <Empty title={`No letters of the cause ${inWords(cause)}`}>They were sent again or discarded.</Empty>;
  return <Empty title="Every play was taken">A play that no worker can take comes here with its cause, and costs no other play.</Empty>;
}

interface ActsProps {
  readonly letters: readonly LetterSummary[];
  readonly chosen: Choice;
  readonly onChoose: (choice: Choice) => void;
  readonly onDeed: (deed: Deed) => void;
}

function Acts({ letters, chosen, onChoose, onDeed }: ActsProps) {
  const areAll = chosen.size === letters.length;
  return (
    <div class="row acts">
      <span class="note" role="status">{chosen.size > 0 && `${number(chosen.size)} chosen`}</span>
      <button type="button" class="quiet" onClick={() => onChoose(areAll ? NOTHING : choiceOf(letters))}>{areAll ? "Choose none" : `Choose all ${number(letters.length)} shown`}</button>
      <button type="button" disabled={chosen.size === 0} onClick={() => onDeed("send-again")}>Send again…</button>
      <button type="button" class="danger" disabled={chosen.size === 0} onClick={() => onDeed("discard")}>Discard…</button>
    </div>
  );
}

/** What was done last, and with which letters it could not be. */
interface Done {
  readonly deed: Deed;
  readonly refused: LettersDone["refused"];
}

/** What came back from a deed, letter by letter. */
function Refused({ deed, refused, onClose }: Done & { onClose: () => void }) {
  return (
    <section class="came-back" role="alert">
      <header><h3>{refusedWords(deed, refused.length)}</h3><button type="button" class="quiet" onClick={onClose}>Close</button></header>
      <ul>{refused.map((letter) => <li key={keyOf(letter)}><a href={`#/letters/${letter.partition}/${letter.offset}`}>{keyOf(letter)}</a> {letter.reason}</li>)}</ul>
    </section>
  );
}

function Further({ shelf }: { shelf: Shelf }) {
  return (
    <>
      {shelf.error !== null && <Failure error={shelf.error} />}
      {shelf.next !== null && <p class="further"><button type="button" disabled={shelf.isAsking} onClick={shelf.showFurther}>{shelf.isAsking ? "Reading…" : "Show older letters"}</button></p>}
    </>
  );
}
