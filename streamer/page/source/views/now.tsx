/** The view Now: the stream as it runs, what answers it, who owns what, and what was refused. */
import type { Figures } from "../contract";
import { clock, inWords, number, plural } from "../format";
import { connection, connectionError, figures, figuresOfWorkers, isStale, letters, lettersError, now, release, workers } from "../live";
import { Ago } from "../parts/ago";
import { Partitions } from "../parts/partitions";
import { Empty, Failure, Loading, NoReleaseHint } from "../parts/state";
import { type Line, Strip, picked } from "../parts/strip";
import { unreachedWords } from "../parts/unreached";
import { useKeys } from "../shortcuts";

const PLAYS: Line[] = [
  { of: "plays_per_s", unit: "/s", label: "plays", tone: "accent", isFilled: true },
  { of: "answers_per_s", unit: "/s", label: "lists", tone: "ink" },
];
const LAG: Line[] = [{ of: "lag_plays", unit: "plays", tone: "accent", isFilled: true }];
const LATENCY: Line[] = [
  { of: "latency_p50_ms", unit: "ms", label: "p50", tone: "accent" },
  { of: "latency_p99_ms", unit: "ms", label: "p99", tone: "ink" },
];
const BATCH: Line[] = [{ of: "batch_plays", unit: "plays", tone: "accent", isFilled: true }];
const STEP: Line[] = [{ of: "step_cpu_us", unit: "µs a play", tone: "accent", isFilled: true }];

/** Plays that wait for longer than this are worth a colour. */
const LATE_S = 1;

export function Now() {
  useKeys({ ArrowLeft: () => move(-1), ArrowRight: () => move(1), Escape: () => { picked.value = null; } });
  if (!figures.value.length) {
    return connection.value === "lost" ? <Failure error={connectionError.value ?? "The worker does not answer."} /> : <Loading what="the figures" lines={7} />;
  }
  return (
    <div class="now">
      <Headline />
      <div class="strips" onMouseLeave={() => { picked.value = null; }}>
        <p class="unseen">Plots of the last ten minutes; the left and right arrow keys move through them.</p>
        <Strip name="Plays and lists" lines={PLAYS} />
        <Strip name="Waiting" lines={LAG} />
        <Strip name="Latency" lines={LATENCY} />
        <Strip name="Batch" lines={BATCH} />
        <Strip name="CPU of the step" lines={STEP} hasTimes />
      </div>
      <aside class="beside">
        <Owners />
        <Refused />
      </aside>
    </div>
  );
}

function move(by: number): void {
  const last = figures.value.length - 1;
  const to = (picked.value ?? last) + by;
  picked.value = to >= last ? null : Math.max(0, to);
}

function Headline() {
  const all = figures.value;
  const second = (picked.value === null ? now.value : all[picked.value]) ?? null;
  return (
    <div class="headline">
      <h1>{second && sentence(second)}</h1>
      <p class="under">
        {picked.value !== null && second && <b class="moment">at {clock(second.at_ms)}</b>}
        {isStale.value && now.value && <span class="warned" role="status">{connection.value === "open" ? "Silent" : "Disconnected"}: as of {clock(now.value.at_ms)}.</span>}
        <ReleaseWords />
        <span>{waiting(second)}</span>
      </p>
    </div>
  );
}

function sentence({ plays_per_s, lag_plays, latency_p50_ms, latency_p99_ms }: Figures) {
  if (!plays_per_s) return lag_plays === 0 ? <>Nobody plays.</> : <>No plays are answered.</>;
  const rate = <><b>{number(plays_per_s)}</b> {plays_per_s === 1 ? "play" : "plays"} a second</>;
  if (latency_p50_ms === null) return <>{rate}, none answered yet.</>;
  return <>{rate}, half of them answered within <b>{number(latency_p50_ms)}&nbsp;ms</b>, 99 of 100 within <b>{number(latency_p99_ms)}&nbsp;ms</b>.</>;
}

function waiting(second: Figures | null) {
  const unreached = picked.value === null && workers.value ? unreachedWords(workers.value) : null;
  if (unreached !== null) return <span class="warned">{unreached}</span>;
  if (!second || second.lag_plays === null) return <span class="warned">How many plays {picked.value === null ? "wait is not known now" : "waited is not known"}.</span>;
  if (second.lag_plays === 0) return "Nothing waits.";
  const isLate = (second.lag_s ?? 0) > LATE_S;
  const since = second.lag_s === null ? "" : `, the oldest for ${number(second.lag_s)} s`;
  return <span class={isLate ? "warned" : ""}>{plural(second.lag_plays, "play")} {second.lag_plays === 1 ? "waits" : "wait"}{since}.</span>;
}

function ReleaseWords() {
  if (release.value === undefined) return null;
  if (release.value === null) return <NoReleaseHint />;
  const answering = new Set(Object.values(figuresOfWorkers.value).map((one) => one.release));
  const words = answering.size > 1 ? "is being taken up by all workers." : "answers.";
  return <span>Release <a href="#/releases" class="id">{release.value}</a> {words}</span>;
}

function Owners() {
  const known = workers.value;
  return (
    <section aria-labelledby="owners">
      <header class="section">
        <h2 id="owners">Who owns what</h2>
        {known && <span class="note">{plural(known.workers.length, "worker")}, {plural(known.num_partitions, "partition")}</span>}
      </header>
      {known ? <Partitions workers={known} figures={figuresOfWorkers.value} /> : <Loading what="the workers" />}
    </section>
  );
}

function Refused() {
  const known = letters.value;
  const rate = now.value?.dead_letters_per_s;
  return (
    <section aria-labelledby="refused">
      <header class="section">
        <h2 id="refused">Refused</h2>
        <span class="note">{rate ? `${number(rate)} a second · ` : ""}<a href="#/letters">all dead letters</a></span>
      </header>
      {known === null && (lettersError.value === null ? <Loading what="the dead letters" /> : <Failure error={lettersError.value} />)}
      {known?.length === 0 && <Empty title="No dead letters">Every play so far could be read.</Empty>}
      {known !== null && known.length > 0 && (
        <ol class="refused">
          {known.map(({ partition, offset, cause, reason, at }) => (
            <li key={`${partition}/${offset}`}>
              <a href={`#/letters/${partition}/${offset}`}>
                <span class="kind">{inWords(cause)}</span>
                <Ago ms={at} />
                <span class="reason" title={reason}>{reason}</span>
              </a>
            </li>
          ))}
        </ol>
      )}
    </section>
  );
}
