/** One letter, whole: why it was refused, whether it would be now, its headers, key and value. */
import { mayAct } from "../access";
import { QueryError, ask } from "../api";
import type { Letter, LetterPlace } from "../contract";
import { bytes, day, inWords, number, plural } from "../format";
import { Ago } from "../parts/ago";
import { useAnswer } from "../parts/answer";
import { Empty, Failure, Loading } from "../parts/state";
import { visible } from "../parts/user_id";
import { BytesView } from "./bytes_view";
import { keyOf } from "./choice";
import type { Deed } from "./desk";

interface Props {
  readonly place: LetterPlace;
  /** Counts what was done with letters: after each, the letter is asked for again. */
  readonly round: number;
  readonly onClose: () => void;
  readonly onDeed: (deed: Deed) => void;
}

export function LetterPane({ place, round, onClose, onDeed }: Props) {
  const path = `dead-letters/${place.partition}/${place.offset}`;
  const { value: letter, error, isAsking, again } = useAnswer((stop) => ask<Letter>(path, undefined, stop), `${path} ${round}`);
  const isOther = letter !== null && keyOf(letter) !== keyOf(place);
  return (
    <section class="letter" aria-label={`Letter ${keyOf(place)}`}>
      <header class="section">
        <h2>Letter {keyOf(place)}</h2>
        <button type="button" class="quiet" onClick={onClose}>Close</button>
      </header>
      {error !== null ? <Missing error={error} onRetry={again} /> : letter === null || isOther ? <Loading what="the letter" lines={8} /> : <Whole letter={letter} isAsking={isAsking} onDeed={onDeed} />}
    </section>
  );
}

function Missing({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  if (error instanceof QueryError && error.code === "not_found") return <Empty title="This letter is gone">{error.message}</Empty>;
  return <Failure error={error} onRetry={onRetry} />;
}

function Whole({ letter, isAsking, onDeed }: { letter: Letter; isAsking: boolean; onDeed: (deed: Deed) => void }) {
  const { source, refusal } = letter;
  return (
    <>
      <p class="letter-reason"><span class="badge bad">{inWords(letter.cause)}</span> {visible(letter.reason)}</p>
      <p id="letter-now" class={refusal === null ? "letter-now good" : "letter-now"}>
        {refusal === null ? "A worker would accept it now." : `It cannot be sent again now: ${refusal}`}
      </p>
      {mayAct.value && (
        <p class="row">
          <button type="button" class={refusal === null ? "primary" : ""} disabled={isAsking || refusal !== null} title={refusal ?? undefined} aria-describedby="letter-now" onClick={() => onDeed("send-again")}>Send again…</button>
          <button type="button" class="danger" disabled={isAsking} onClick={() => onDeed("discard")}>Discard…</button>
        </p>
      )}
      <dl class="facts">
        <div><dt>Refused</dt><dd><Ago ms={letter.at} />, {day(letter.at)}</dd></div>
        {source !== null && <div><dt>Play</dt><dd>{source.topic}, partition {source.partition}, offset {number(source.offset)}</dd></div>}
        <div><dt>Size</dt><dd>{bytes(letter.num_bytes)}{letter.is_cut && ", of which the beginning is kept"}</dd></div>
        {(letter.sent_again || letter.times_sent > 0) && <div><dt>Sent again</dt><dd>{letter.sent_again ? "yes, and not refused since" : `${plural(letter.times_sent, "time")} before, and refused each time`}</dd></div>}
      </dl>
      <BytesView name="Value" value={letter.value} encoding={letter.value_encoding} />
      <BytesView name="Key" value={letter.key} encoding={letter.key_encoding} />
      <section class="bytes" aria-label="Headers">
        <header><h3>Headers</h3></header>
        <dl class="headers">{Object.entries(letter.headers).map(([name, text]) => <div key={name}><dt>{visible(name)}</dt><dd><bdi>{visible(text)}</bdi></dd></div>)}</dl>
      </section>
    </>
  );
}
