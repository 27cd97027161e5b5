/** The view of a listener: their plays, both lists and why, as they play; and what if. */
import type { ComponentChildren } from "preact";
import { type Signal, useComputed, useSignal } from "@preact/signals";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { QueryError } from "../api";
import type { Lineage, ListenerView, ShownList } from "../contract";
import { bytes, number, plural, short } from "../format";
import { choose, chooseAnybody, chosen } from "../listener/chosen";
import { type Following, useListener } from "../listener/following";
import { type Imagined, useImagined } from "../listener/imagined";
import { Ago } from "../parts/ago";
import { Comparison } from "../parts/comparison";
import { useLater } from "../parts/later";
import { HORIZON_WORDS, Ranking } from "../parts/ranking";
import { TrackSearch } from "../parts/search";
import { Empty, Failure, Loading, NoRelease } from "../parts/state";
import { Timeline } from "../parts/timeline";
import { TrackName } from "../parts/track";
import { UserId, typedIn } from "../parts/user_id";
import { useKeys } from "../shortcuts";

/** The track of each list, by its horizon, whose reasons are shown. */
type Opened = Partial<Record<ShownList["horizon"], string>>;

export function Listener() {
  const user = chosen.value;
  const opened = useSignal<Opened>({});
  useEffect(() => { opened.value = {}; }, [user]);
  const following = useListener(user, Object.keys(opened.value).length > 0);
  const [error, setError] = useState<unknown>(null);
  const field = useRef<HTMLInputElement>(null);
  const isNobody = error instanceof QueryError && error.code === "not_found";
  const anybody = () => { setError(null); chooseAnybody().catch(setError); };
  useKeys({ a: anybody, "/": () => field.current?.focus() });
  return (
    <div class="listener">
      {!user && <h1 class="unseen">A listener</h1>}
      <Choice field={field} user={user} onAnybody={anybody} onChoose={(id) => { setError(null); choose(id); }} />
      {error !== null && (isNobody ? <Empty title="Nobody plays right now">{(error as QueryError).message}</Empty> : <Failure error={error} onRetry={anybody} />)}
      {!user && error === null && (
        <Empty title="Whose taste?">
          Type a user id, or look at somebody who plays right now: their plays, both lists and the reasons for each track, as
          they are this second. Then take a play away, or add one, and see what the lists would be.
        </Empty>
      )}
      {user && <Followed key={user} user={user} following={following} opened={opened} />}
    </div>
  );
}

function Choice({ field, user, onAnybody, onChoose }:
  { field: { current: HTMLInputElement | null }; user: string; onAnybody: () => void; onChoose: (id: string) => void }) {
  const [text, setText] = useState(user);
  useEffect(() => setText(user), [user]);
  const submit = (event: Event) => {
    event.preventDefault();
    const id = typedIn(field.current); // not what was drawn a frame ago
    if (id) { onChoose(id); field.current?.blur(); }
  };
  return (
    <form class="choice" noValidate onSubmit={submit}>
      <input ref={field} aria-label="User id" placeholder="User id" autoComplete="off" spellcheck={false} value={text}
        onInput={(event) => setText(event.currentTarget.value)} onFocus={(event) => event.currentTarget.select()} />
      <button type="submit">Look</button>
      <button type="button" class="primary" onClick={onAnybody}>Somebody who plays right now</button>
    </form>
  );
}

function Followed({ user, following: { view, error, state, arrivedMs }, opened }:
  { user: string; following: Following; opened: Signal<Opened> }) {
  const seen = useSignal<ListenerView | null>(view);
  seen.value = view;
  const imagined = useImagined(seen);
  useKeysOfWhatIf(imagined);
  if (!view) return error ? <Failure error={error} /> : <Loading what="the listener" lines={8} />;
  return (
    <>
      <header class="who">
        <h1><UserId id={user} /></h1>
        <p class="under">
          {view.lineage ? <span>Played <Ago ms={view.plays[0]?.played_at ?? view.lineage.played_at} />, seen <Ago ms={arrivedMs} />.</span> : <span>Has not played here yet.</span>}
          {error && <span class="warned" role="status">{error.message}</span>}
          {!error && state !== "open" && <span class="warned" role="status">disconnected; these are the latest lists that arrived</span>}
        </p>
      </header>
      {view.lineage && <LineageOf lineage={view.lineage} view={view} />}
      {view.plays.length > 0 && <Timeline plays={view.plays} hasLists={view.release !== null} imagined={imagined} />}
      {view.release === null ? <NoRelease /> : <Lists view={view} imagined={imagined} opened={opened} />}
      {view.counts.length > 0 && <Counted view={view} />}
    </>
  );
}

/** Escape ends what is imagined, wherever the focus is. */
function useKeysOfWhatIf(imagined: Imagined): void {
  useLayoutEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) imagined.end();
    };
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, [imagined]);
}

function LineageOf({ lineage, view }: { lineage: Lineage; view: ListenerView }) {
  const made = lineage.release ?? lineage.release_key;
  return (
    <dl class="lineage">
      <div><dt>Plays</dt><dd>{number(lineage.plays_seen)} <small>{number(lineage.repeats_seen)} repeats</small></dd></div>
      <div><dt>Latest play</dt><dd>partition {lineage.partition} <small>offset {number(lineage.source_offset)}</small></dd></div>
      <div><dt>State</dt><dd>{bytes(lineage.state_bytes)} <small>{lineage.promoted_at === null ? "remembered plays, no release yet" : `folded from ${number(lineage.plays_folded)} plays`}</small></dd></div>
      {lineage.promoted_at !== null && (
        <div><dt>Made by</dt><dd title={made}>{short(made, 32)} <small>promoted <Ago ms={lineage.promoted_at} /></small></dd></div>
      )}
      {view.is_rebuilt && <div><dt>Shown</dt><dd>rebuilt for {short(view.release ?? "", 32)} <small>from the plays it remembers</small></dd></div>}
    </dl>
  );
}

function Lists({ view, imagined, opened }: { view: ListenerView; imagined: Imagined; opened: Signal<Opened> }) {
  const answer = imagined.answer.value;
  return (
    <>
      <WhatIfBar imagined={imagined} />
      {imagined.error.value !== null && <Failure error={imagined.error.value} />}
      {!view.lists.length && !answer && (
        <Empty title="No lists yet">Lists come with a listener's first play. Find a track above to see what it would bring.</Empty>
      )}
      <div class="lists">
        {(answer?.after ?? view.lists).map((list, place) => (
          <section key={list.horizon} aria-labelledby={list.horizon}>
            {answer ? (
              <>
                <Heading horizon={list.horizon}>as it is, and as it would be</Heading>
                <Compared horizon={list.horizon} before={answer.before} after={answer.after} />
              </>
            ) : <Ranked list={list} frames={place + 1} opened={opened} />}
          </section>
        ))}
      </div>
    </>
  );
}

function Heading({ horizon, children }: { horizon: ShownList["horizon"]; children: ComponentChildren }) {
  return (
    <header class="section">
      <h2 id={horizon}><i class={`horizon ${horizon}`} aria-hidden="true" />{horizon === "short-term" ? "Short-term" : "Long-term"}</h2>
      <span class="note" role="status">{children}</span>
    </header>
  );
}

/** A list; a row whose track leaves it is closed, and it is said so until another one is opened. */
function Ranked({ list, frames, opened }: { list: ShownList; frames: number; opened: Signal<Opened> }) {
  const shown = useLater(list, frames);
  const track = opened.value[shown.horizon] ?? null;
  const [left, setLeft] = useState<string | null>(null);
  const open = (next: string | null) => {
    const { [shown.horizon]: _, ...others } = opened.value;
    opened.value = next === null ? others : { ...others, [shown.horizon]: next };
    setLeft(null);
  };
  useEffect(() => {
    if (track === null || shown.tracks.some(({ track_id }) => track_id === track)) return;
    open(null);
    setLeft(track);
  }, [shown, track]);
  return useMemo(() => (
    <>
      <Heading horizon={shown.horizon}>
        {left === null ? `what they may play ${HORIZON_WORDS[shown.horizon]}` : <><TrackName id={left} /> has left the list</>}
      </Heading>
      <Ranking list={shown} opened={track} onOpen={open} />
    </>
  ), [shown, track, left]);
}

function Compared({ horizon, before, after }: { horizon: string; before: readonly ShownList[]; after: readonly ShownList[] }) {
  const [was, would] = [before, after].map((lists) => lists.find((list) => list.horizon === horizon));
  return would ? <Comparison before={was ?? { horizon: would.horizon, tracks: [] }} after={would} /> : null;
}

function WhatIfBar({ imagined }: { imagined: Imagined }) {
  const isImagining = useComputed(() => imagined.added.value.length + imagined.removed.value.size > 0).value;
  return (
    <section class={`what-if ${isImagining ? "active" : ""}`} aria-label="What if">
      <TrackSearch label="What if they had played" placeholder="What if they had played …" onPick={imagined.add} />
      {isImagining ? (
        <>
          <p role="status">
            {changes(imagined)}
            {imagined.tookMs.value !== null && imagined.answer.value && <span class="note"> computed on a copy in {number(imagined.tookMs.value)} ms</span>}
          </p>
          <button type="button" onClick={imagined.end}>End</button>
        </>
      ) : <p class="note">or click a play to take it away. Nothing is written: the worker computes on a copy.</p>}
    </section>
  );
}

function changes({ added, removed }: Imagined) {
  return (
    <>
      {removed.value.size > 0 && <b>without {plural(removed.value.size, "play")}</b>}
      {removed.value.size > 0 && added.value.length > 0 && " and "}
      {added.value.map((track, i) => <b key={`${track} ${i}`}>{i > 0 && ", "}with <TrackName id={track} /></b>)}
    </>
  );
}

function Counted({ view }: { view: ListenerView }) {
  const most = view.counts[0]?.plays ?? 1;
  return (
    <section aria-labelledby="counted">
      <header class="section"><h2 id="counted">Played most</h2><span class="note">older plays count less</span></header>
      <ol class="counted">
        {view.counts.slice(0, 12).map(({ track_key, track_id, plays }) => (
          <li key={track_key}>
            <i style={{ transform: `scaleX(${plays / most})` }} aria-hidden="true" />
            {track_id ? <TrackName id={track_id} /> : <code>{track_key}</code>}<b>{number(plays)}</b>
          </li>
        ))}
      </ol>
    </section>
  );
}
