/** The view of releases: which one answers, how they compare, what the gate said, and how they did while they answered. */
import { Fragment } from "preact";
import { useEffect, useState } from "preact/hooks";
import { mayAct } from "../access";
import { ask } from "../api";
import type { Interval, Judgement, ListedRelease, Refusal, Releases as Answer } from "../contract";
import { day, duration, inWords, plural } from "../format";
import { release } from "../live";
import { Ago } from "../parts/ago";
import { useAnswer } from "../parts/answer";
import { nowMs } from "../parts/clock";
import { Failure, Loading, NoReleaseHint } from "../parts/state";
import { ConfirmDialog, type Intent } from "../releases/acting";
import { LiveRates, percent } from "../releases/live_rates";
import { presentOf } from "../releases/reigns";
import { type Scale, scaleOf } from "../releases/scale";
import { type Standing, metricsOf, standingOf } from "../releases/standing";
import { Axis, Whisker } from "../releases/whisker";

const AGAIN_MS = 20_000; // live hit rates move on

export function Releases() {
  const answer = useAnswer((stop) => ask<Answer>("releases", undefined, stop), release.value ?? "");
  const [intent, setIntent] = useState<Intent | null>(null);
  useEffect(() => {
    const timer = setInterval(() => { if (!document.hidden) answer.again(); }, AGAIN_MS);
    return () => clearInterval(timer);
  }, []);
  const shown = answer.value;
  if (shown === null) return answer.error === null ? <Loading what="the releases" lines={7} /> : <Failure error={answer.error} onRetry={answer.again} />;
  return (
    <div class="releases">
      <Headline shown={shown} onRollBack={(before) => setIntent({ kind: "roll-back", before, champion: shown.champion })} />
      {answer.error !== null && <Failure error={answer.error} />}
      {shown.releases.length > 0 && (
        <>
          <LiveRates releases={shown.releases} />
          <Table shown={shown} onPromote={(one) => setIntent({ kind: "promote", release: one, champion: shown.champion })} />
        </>
      )}
      <Refusals refusals={shown.refusals} />
      {intent !== null && <ConfirmDialog intent={intent} champion={shown.champion} onClose={() => setIntent(null)} onTried={answer.again} />}
    </div>
  );
}

function Headline({ shown, onRollBack }: { shown: Answer; onRollBack: (before: string | null) => void }) {
  const champion = shown.releases.find(({ is_champion }) => is_champion);
  const before = shown.releases.find(({ mark }) => mark === "before")?.id ?? null;
  const since = champion?.answered_from;
  return (
    <div class="headline">
      <h1>
        {champion === undefined ? "No release answers yet." : (
          <>The champion has answered{since == null ? "" : <> for <b>{duration((nowMs.value - since) / 1000)}</b></>}{rateOf(champion)}.</>
        )}
      </h1>
      <p class="under">
        {shown.champion !== null && <span class="id">{shown.champion}</span>}
        {shown.releases.length === 0 && <NoReleaseHint />}
        {shown.warning !== null && <span class="warned" role="status">{shown.warning}</span>}
      </p>
      {mayAct.value && shown.champion !== null && shown.releases.length > 1 && (
        <p class="row"><button type="button" onClick={() => onRollBack(before)}>Roll back…</button></p>
      )}
    </div>
  );
}

/** The live rate beside the one that the gate measured. */
function rateOf(champion: ListedRelease) {
  const { hit_rate_at_20: measured } = champion;
  const rate = presentOf(champion)?.hit_rate_at_20 ?? null;
  if (rate !== null) {
    return <>; <b>{percent(rate)}</b> of the next plays were in its lists{measured === null ? "" : `, ${percent(measured)} at the gate`}</>;
  }
  return measured === null ? null : <>; the gate measured a hit rate of <b>{percent(measured)}</b></>;
}

function Table({ shown, onPromote }: { shown: Answer; onPromote: (release: ListedRelease) => void }) {
  const metrics = metricsOf(shown.releases);
  const champion = shown.releases.find(({ is_champion }) => is_champion);
  const scales = new Map(metrics.map((name) => [name, scaleOf(shown.releases.flatMap(({ judgement }) => judgement?.figures[name] ?? []))]));
  return (
    <section aria-labelledby="all-releases">
      <header class="section">
        <h2 id="all-releases">Releases</h2>
        <span class="note">as the gate measured them, each on the newest plays of its time; the line is the champion's figure</span>
      </header>
      <div class="release-rows" style={{ "--metrics": Math.max(metrics.length, 1) }}>
        <div class="release-row head" aria-hidden="true">
          <span /><span>Window</span>
          {metrics.map((name) => <span key={name} class="metric">{name}<ScaleOf scale={scales.get(name) ?? null} /></span>)}
          <span />
        </div>
        {shown.releases.map((one) => (
          <details key={one.id} class={`release is-${standingOf(one)}`}>
            <summary class="release-row">
              <Name release={one} />
              <Window release={one} />
              {metrics.map((name) => (
                <Figure key={name} name={name} interval={one.judgement?.figures[name]} scale={scales.get(name) ?? null}
                  guide={champion?.judgement?.figures[name]?.mean} isChampion={one.is_champion} />
              ))}
              <StandingBadge standing={standingOf(one)} isBefore={one.mark === "before"} />
            </summary>
            <Detail release={one} onPromote={onPromote} />
          </details>
        ))}
      </div>
      {shown.num_older > 0 && <p class="note">{plural(shown.num_older, "older release")} in the store: <code>refrain releases list</code></p>}
    </section>
  );
}

function ScaleOf({ scale }: { scale: Scale | null }) {
  return scale === null ? null : <Axis scale={scale} />;
}

interface FigureProps {
  readonly name: string;
  readonly interval: Interval | undefined;
  readonly scale: Scale | null;
  readonly guide: number | undefined;
  readonly isChampion: boolean;
}

function Figure({ name, interval, scale, guide, isChampion }: FigureProps) {
  return (
    <span class="figure-cell">
      <span class="metric-name" aria-hidden="true">{name}</span>
      {interval === undefined || scale === null ? <span class="note">not measured</span>
        : <Whisker name={name} interval={interval} scale={scale} guide={guide} tone={isChampion ? "champion" : "plain"} />}
    </span>
  );
}

function Name({ release: { id, created_at_ms } }: { release: ListedRelease }) {
  return (
    <span class="release-name">
      <b>{created_at_ms === null ? "unknown age" : <Ago ms={created_at_ms} />}</b>
      <span class="id">{id}</span>
    </span>
  );
}

function Window({ release: { window: fitted } }: { release: ListedRelease }) {
  if (fitted === null) return <span class="note">unknown window</span>;
  return (
    <span class="release-window">
      <span>{plural(fitted.num_plays, "play")}</span>
      <span class="note">{plural(fitted.num_listeners, "listener")}, {duration((fitted.until_ms - fitted.from_ms) / 1000)}</span>
    </span>
  );
}

const STANDINGS: Record<Standing, readonly [words: string, tone: string]> = {
  champion: ["champion", "good"], passed: ["passed", ""], refused: ["refused", "warn"], unjudged: ["not judged", "warn"], damaged: ["damaged", "bad"],
};

function StandingBadge({ standing, isBefore }: { standing: Standing; isBefore: boolean }) {
  const [words, tone] = STANDINGS[standing];
  return <span class="standing">{isBefore && <span class="badge">before</span>}<span class={`badge ${tone}`}>{words}</span></span>;
}

function Detail({ release: one, onPromote }: { release: ListedRelease; onPromote: (release: ListedRelease) => void }) {
  const { judgement, fault, answered_from: from, answered_to: to, live } = one;
  return (
    <div class="release-detail">
      {fault !== null && <p class="wrong">{fault}</p>}
      <p class="verdict">{judgement?.verdict ?? (standingOf(one) === "unjudged" ? "The gate never judged this release." : "The gate left no paragraph.")}</p>
      {judgement !== null && <Comparisons judgement={judgement} />}
      <dl class="facts">
        {one.window !== null && <div><dt>Fitted on</dt><dd>{day(one.window.from_ms)} to {day(one.window.until_ms)}</dd></div>}
        {from !== null && <div><dt>Answered</dt><dd>{day(from)} {to === null ? "until now" : `to ${day(to)}`}</dd></div>}
        {live.map((reign) => (
          <div key={reign.promoted_at}>
            <dt>Live</dt>
            <dd>
              {reign.hit_rate_at_20 === null ? "no plays yet" : `${percent(reign.hit_rate_at_20)} of ${plural(reign.plays, "play")} of ${plural(reign.listeners, "listener")}`}
              {reign.popularity_hit_rate_at_20 !== null && <small> popularity {percent(reign.popularity_hit_rate_at_20)}</small>}
              {live.length > 1 && <small> from {day(reign.promoted_at)}</small>}
            </dd>
          </div>
        ))}
        <div><dt>Place</dt><dd class="id">{one.location}</dd></div>
      </dl>
      {mayAct.value && !one.is_champion && fault === null && <p><button type="button" onClick={() => onPromote(one)}>Promote…</button></p>}
    </div>
  );
}

/** What the gate compared: with the champion of then, and with baselines, on scales that all share. */
function Comparisons({ judgement: { champion, differences, baselines } }: { judgement: Judgement }) {
  const against = [
    ...Object.entries(differences).map(([metric, interval]) => ({ name: `the champion of then, ${metric}`, interval })),
    ...Object.entries(baselines).flatMap(([baseline, metrics]) => ("HR@20" in metrics ? [{ name: `${inWords(baseline)}, HR@20`, interval: metrics["HR@20"]! }] : [])),
  ];
  const scale = scaleOf(against.map(({ interval }) => interval), { withZero: true });
  if (scale === null) return null;
  return (
    <div class="comparisons" title={champion === null ? undefined : `The champion of then: ${champion}`}>
      <span class="note">Difference from</span><Axis scale={scale} isDifference />
      {against.map(({ name, interval }) => (
        <Fragment key={name}>
          <span>{name}</span>
          <Whisker name={name} interval={interval} scale={scale} guide={0} tone="difference" />
        </Fragment>
      ))}
      <p class="note">To pass, a release must beat popularity, and each baseline that the champion of then beat.</p>
    </div>
  );
}

function Refusals({ refusals }: { refusals: readonly Refusal[] }) {
  if (refusals.length === 0) return null;
  return (
    <section aria-labelledby="refusals">
      <header class="section"><h2 id="refusals">Not released</h2><span class="note">the latest candidates that the gate refused</span></header>
      <ul class="refusals">
        {refusals.map(({ at_ms, trigger, reason, verdict }) => (
          <li key={at_ms}>
            <details>
              <summary><Ago ms={at_ms} /><span>{reason}</span><span class="badge">{inWords(trigger)}</span></summary>
              <p class="verdict">{verdict}</p>
            </details>
          </li>
        ))}
      </ul>
    </section>
  );
}
