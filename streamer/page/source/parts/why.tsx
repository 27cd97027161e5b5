/** Why a track is in a list: the reasons in words, then the terms that make its score. */
import type { ComponentChildren } from "preact";
import type { Why } from "../contract";
import { number, plural, signed } from "../format";
import { namesOf } from "../names";
import { TrackName } from "./track";

/** What each count says, in the order in which they are shown. */
const COUNTS: readonly (readonly [string, string])[] = [
  ["lift_after_current", "times as often right after the current track"],
  ["lift_after_last_two", "times as often after the last two"],
  ["lift_soon_after_current", "times as often soon after the current one"],
  ["share_after_latest", "share of what comes soon after the latest tracks"],
  ["closeness_latest", "closeness to the latest session"],
  ["closeness_recent", "closeness to recent sessions"],
  ["times_next", "times next after the current track, by this listener"],
  ["own_plays", "own plays, older ones counting less"],
  ["popularity", "popularity"],
  ["popularity_of_late", "recent popularity"],
];

export function Reasons({ why }: { why: Why }) {
  return (
    <div class="why">
      {why.words.length > 0 && <ul class="words">{why.words.map((words) => <li key={words}>{named(words, why)}</li>)}</ul>}
      {why.second_stage && (
        <Terms title="Second stage" note={<>an average candidate {signed(why.second_stage.mean)}, this one <b>{signed(why.second_stage.logit)}</b></>}
          terms={Object.entries(why.second_stage.contributions)} />
      )}
      <div class="why-more">
        <Terms title="First stage" note={<>cosine and ring: <b>{signed(why.cosine + (why.ring?.total ?? 0))}</b></>} terms={firstStage(why)} />
        {why.because.length > 0 && (
          <section>
            <h3>Because they played</h3>
            <ol class="because">
              {why.because.map(({ track_id, plays_ago, loss }) => (
                <li key={track_id}><TrackName id={track_id} /><span class="note">{plays_ago ? `${plural(plays_ago, "play")} ago` : "the latest play"}</span><b>{signed(loss)}</b></li>
              ))}
            </ol>
          </section>
        )}
        {why.counts && <Counts counts={why.counts} />}
      </div>
    </div>
  );
}

function firstStage({ cosine, ring }: Why): [string, number][] {
  const terms: [string, number][] = [["taste (cosine)", cosine]];
  if (!ring) return terms;
  const parts = ([["recency", ring.recency], ["times", ring.times], ["bigram", ring.bigram]] as const)
    .filter((part): part is readonly [typeof part[0], number] => part[1] !== null);
  if (!parts.length) return [...terms, ["ring", ring.total]];
  return [...terms, ...parts.map(([name, value]): [string, number] => [`ring: ${name}`, value])];
}

/** Terms as bars from a middle line: what speaks for the track to the right, what speaks against it to the left. */
function Terms({ title, note, terms }: { title: string; note: ComponentChildren; terms: readonly (readonly [string, number])[] }) {
  const most = Math.max(0.01, ...terms.map(([, value]) => Math.abs(value)));
  const sorted = [...terms].sort(([, one], [, other]) => Math.abs(other) - Math.abs(one));
  return (
    <section>
      <h3>{title} <span class="note">{note}</span></h3>
      <dl class="terms">
        {sorted.map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <svg viewBox="-50 0 100 10" preserveAspectRatio="none" aria-hidden="true">
                <path class="axis" d="M0 0V10" vector-effect="non-scaling-stroke" />
                <rect class={value < 0 ? "against" : "for"} x={Math.min(0, (value / most) * 48)} y="2" width={Math.abs(value / most) * 48} height="6" />
              </svg>
              <b>{signed(value)}</b>
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

function Counts({ counts }: { counts: Record<string, number> }) {
  const shown = COUNTS.filter(([name]) => counts[name]);
  if (!shown.length) return null;
  return (
    <section class="wide">
      <h3>Counts</h3>
      <dl class="counts">
        {shown.map(([name, words]) => <div key={name}><dd>{small(counts[name] ?? 0)}</dd><dt>{words}</dt></div>)}
      </dl>
    </section>
  );
}

function small(value: number): string {
  return Math.abs(value) >= 0.1 ? number(value) : value.toPrecision(2);
}

/** The reasons name tracks by their ids; here by their titles. */
function named(words: string, why: Why): string {
  return why.because.reduce((text, { track_id }) => text.replace(track_id, () => {
    const { title, isNamed } = namesOf(track_id);
    return isNamed ? `“${title}”` : track_id;
  }), words);
}
