/** The latest plays on a time line: pauses, contexts, skips, and an arc from each repeat to the play it repeats. */
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import type { RememberedPlay } from "../contract";
import { ago, clock, day, duration } from "../format";
import type { Imagined } from "../listener/imagined";
import { BREAK, type Layout, type Placed, arc, layOut } from "../listener/timeline";
import { namesOf } from "../names";
import { Ago } from "./ago";
import { nowMs } from "./clock";
import { TrackName } from "./track";
import { useWidth } from "./width";

const ARCS = 62;
const BASE = ARCS + 12;
const HEIGHT = BASE + 62;

/** @param hasLists whether there are lists, and so something to imagine */
export function Timeline({ plays, hasLists, imagined }: { plays: readonly RememberedPlay[]; hasLists: boolean; imagined: Imagined }) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const [shown, setShown] = useState<number | null>(null); // a number of a play; null: the latest
  const added = imagined.added.value;
  const layout = useMemo(() => layOut(plays, width, added.length ? added.length + 1 : 0), [plays, width, added.length]);
  useEndInSight(place, plays[0]?.number, added.length, width);
  const latest = layout.placed[layout.placed.length - 1];
  const current = layout.placed.find(({ play }) => play.number === shown) ?? latest;
  const background = useMemo(() => <Background layout={layout} current={current} />, [layout, current?.play.track_key]);
  return (
    <div class="timeline">
      <div ref={place} class="timeline-scroll">
        {width > 0 && (
          <div class="timeline-line" style={{ width: `${Math.max(width, layout.width)}px`, height: `${HEIGHT}px` }} onMouseLeave={() => setShown(null)}>
            {background}
            <Plays layout={layout} imagined={imagined} current={current} latest={latest} onShow={setShown} />
            {added.map((track, i) => (
              <button key={`${track} ${i}`} type="button" class="play added" aria-label={`${namesOf(track).title}, imagined; take it back`}
                title={namesOf(track).title} style={{ transform: `translate(${(latest?.x ?? 0) + (i + 1.5) * layout.step}px, ${BASE}px)` }}
                onClick={() => imagined.unadd(i)} />
            ))}
          </div>
        )}
      </div>
      {current && <Caption placed={current} layout={layout} hasLists={hasLists} imagined={imagined} />}
    </div>
  );
}

/** Keep the latest play in sight when it arrives. */
function useEndInSight(place: { current: HTMLElement | null }, latest: number | undefined, numAdded: number, width: number): void {
  useLayoutEffect(() => {
    if (place.current) place.current.scrollLeft = place.current.scrollWidth;
  }, [latest, numAdded, width]);
}

function Background({ layout: { placed, runs, step, width }, current }: { layout: Layout; current: Placed | undefined }) {
  const key = current?.play.track_key;
  return (
    <svg width={width} height={HEIGHT} aria-hidden="true">
      {placed.map(({ play, x, repeatOf }) => {
        const from = repeatOf === null ? undefined : placed[repeatOf];
        return from && <path key={play.number} class={`arc ${play.track_key === key ? "lit" : ""}`} d={arc(from.x, x, BASE - 7, ARCS)} />;
      })}
      {sessions(placed).map(([first, last]) => <path key={first.play.number} class="staff" d={`M${first.x} ${BASE}H${last.x}`} />)}
      {placed.map(({ play, x, pauseMs }) => pauseMs !== null && (
        <text key={play.number} class="pause" x={x - (step + BREAK) / 2} y={BASE + 4}>{duration(pauseMs / 1000)}</text>
      ))}
      {runs.map(({ context, from, to }) => (
        <g key={`${context} ${from}`} class="run">
          <path d={`M${from - 4} ${BASE + 20}H${to + 4}`} />
          {to - from + step > context.length * 6 && <text x={from - 4} y={BASE + 35}>{context}</text>}
        </g>
      ))}
      {moments(placed, width).map(({ x, words, anchor }) => <text key={x} class="moment" x={x} y={BASE + 55} text-anchor={anchor}>{words}</text>)}
    </svg>
  );
}

function sessions(placed: readonly Placed[]): [Placed, Placed][] {
  const found: [Placed, Placed][] = [];
  for (const one of placed) {
    const last = found[found.length - 1];
    if (last && one.pauseMs === null) last[1] = one;
    else found.push([one, one]);
  }
  return found;
}

interface Moment {
  readonly x: number;
  readonly words: string;
  readonly anchor: "start" | "end";
}

/** When sessions began, where there is room for it. */
function moments(placed: readonly Placed[], width: number): Moment[] {
  let free = 0;
  return sessions(placed).flatMap(([{ x, play }]): Moment[] => {
    if (x < free) return [];
    const isToday = new Date(play.played_at).toDateString() === new Date().toDateString();
    const words = isToday ? clock(play.played_at).slice(0, 5) : day(play.played_at).replace(/ \d{4},/, ",");
    const long = words.length * 6.4;
    if (x + long > width) return x - long < free ? [] : [{ x: x + 4, words, anchor: "end" }];
    free = x + long + 12;
    return [{ x: x - 4, words, anchor: "start" }];
  });
}

function Plays({ layout: { placed }, imagined, current, latest, onShow }:
  { layout: Layout; imagined: Imagined; current: Placed | undefined; latest: Placed | undefined; onShow: (number: number) => void }) {
  const removed = imagined.removed.value;
  const onKey = (event: KeyboardEvent, index: number) => {
    const to = { ArrowLeft: index - 1, ArrowRight: index + 1, Home: 0, End: placed.length - 1 }[event.key];
    const play = placed[index]?.play;
    if (event.key === "Delete" && play) imagined.toggle(play.number);
    if (to === undefined) return;
    event.preventDefault();
    const next = placed[Math.max(0, Math.min(placed.length - 1, to))];
    if (!next) return;
    onShow(next.play.number);
    document.getElementById(`play-${next.play.number}`)?.focus();
  };
  return (
    <div role="group" aria-label="Latest plays, oldest first; arrow keys move, Delete imagines one away">
      {placed.map(({ play, x }, i) => {
        const kinds = [play.skipped && "skipped", removed.has(play.number) && "removed", play.number === latest?.play.number && "latest", play.track_key === current?.play.track_key && "same"];
        return (
          <button key={play.number} id={`play-${play.number}`} type="button" class={["play", ...kinds.filter(Boolean)].join(" ")}
            tabIndex={play.number === current?.play.number ? 0 : -1} aria-pressed={removed.has(play.number)} aria-label={inWords(play)}
            style={{ transform: `translate(${x}px, ${BASE}px)` }} onMouseEnter={() => onShow(play.number)} onFocus={() => onShow(play.number)}
            onClick={() => imagined.toggle(play.number)} onKeyDown={(event) => onKey(event, i)} />
        );
      })}
    </div>
  );
}

function inWords(play: RememberedPlay): string {
  const { title, artists } = namesOf(play.track_id ?? play.track_key);
  return [title, artists, ago(play.played_at, nowMs.peek()), play.skipped ? "skipped" : "", play.repeats ? "a repeat" : ""].filter(Boolean).join(", ");
}

function Caption({ placed: { play, repeatOf }, layout, hasLists, imagined }: { placed: Placed; layout: Layout; hasLists: boolean; imagined: Imagined }) {
  const index = layout.placed.findIndex((one) => one.play.number === play.number);
  const isRemoved = imagined.removed.value.has(play.number);
  const facts = [
    play.context === "none" ? "" : `from ${play.context}`,
    play.skipped ? "skipped" : "",
    repeatOf === null ? (play.repeats ? "a repeat" : "") : `last played ${index - repeatOf} plays before`,
    play.track_id || !hasLists ? "" : "not in the release",
  ].filter(Boolean);
  return (
    <p class="caption">
      <span class="number">{play.number}</span>
      {play.track_id ? <TrackName id={play.track_id} /> : <code>{play.track_key}</code>}
      <span class="about"><Ago ms={play.played_at} />{facts.map((fact) => <span key={fact}> · {fact}</span>)}</span>
      {hasLists && <button type="button" class="quiet" onClick={() => imagined.toggle(play.number)}>{isRemoved ? "Put it back" : "What if they had not?"}</button>}
    </p>
  );
}
