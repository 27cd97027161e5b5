/** What all views know of the stream as it runs: figures, workers, the newest dead letters, the release that answers. */
import { computed, signal } from "@preact/signals";
import { type QueryError, type StreamState, askPatiently, follow } from "./api";
import type { Figures, FiguresEvent, FiguresHistory, LetterSummary, Letters, Workers } from "./contract";
import { withNew } from "./letters/newest";
import { nowMs } from "./parts/clock";

/** Seconds that are kept, as many as a worker keeps. */
export const KEPT_S = 600;
const LETTERS_KEPT = 6;
/** Figures come once a second; older ones are shown with their age. */
const STALE_MS = 3_000;
/** Less than what is between two seconds of the same worker, more than what two workers differ by. */
const SAME_SECOND_MS = 500;

export const connection = signal<StreamState>("connecting");
export const connectionError = signal<QueryError | null>(null);
/** One entry a second, oldest first; replaced, never changed. */
export const figures = signal<readonly Figures[]>([]);
export const figuresOfWorkers = signal<Readonly<Record<string, Figures>>>({});
export const workers = signal<Workers | null>(null);
export const letters = signal<readonly LetterSummary[] | null>(null);
/** Why the newest letters are not known. */
export const lettersError = signal<unknown>(null);
/** undefined: not known yet; null: no release answers. */
export const release = signal<string | null | undefined>(undefined);
export const now = computed<Figures | null>(() => figures.value[figures.value.length - 1] ?? null);
/** When the newest figures came, by the clock here. */
const arrivedMs = signal(0);
/** Whether the newest figures say nothing of this moment, whatever the connection looks like. */
export const isStale = computed(() => now.value !== null && (connection.value !== "open" || nowMs.value - arrivedMs.value > STALE_MS));

/** Follow the stream until the returned function is called. */
export function goLive(): () => void {
  let missing = new AbortController(); // the questions about what came before this connection
  const end = follow("events", undefined, {
    onState(state, error) {
      connection.value = state;
      connectionError.value = error;
      missing.abort();
      missing = new AbortController();
      if (state === "open") catchUp(missing.signal);
    },
    onEvent({ name, data }) {
      if (name === "figures") take(data as FiguresEvent);
      if (name === "workers") workers.value = data as Workers;
      if (name === "letter") letters.value = withNew(letters.value ?? [], data as LetterSummary, LETTERS_KEPT);
      if (name === "release") release.value = (data as { release: string | null }).release;
    },
  });
  return () => { end(); missing.abort(); };
}

/** Forget all that a worker said. */
export function forgetAll(): void {
  connection.value = "connecting";
  [figures.value, figuresOfWorkers.value, workers.value, release.value] = [[], {}, null, undefined];
  [letters.value, lettersError.value] = [null, null];
}

/** Read what came before the first event of a connection. */
function catchUp(stop: AbortSignal): void {
  const unsaid = () => undefined; // events will bring it
  void askPatiently<FiguresHistory>("figures/history", undefined, stop, unsaid).then((history) => { if (history) join(rowsOf(history)); });
  void askPatiently<Workers>("workers", undefined, stop, unsaid).then((known) => { if (known) workers.value = known; });
  void askPatiently<Letters>(`dead-letters?limit=${LETTERS_KEPT}`, undefined, stop, (error) => { lettersError.value = error; }).then((newest) => {
    if (newest) [letters.value, lettersError.value] = [newest.letters.slice(0, LETTERS_KEPT), null];
  });
}

function take({ merged, workers: each }: FiguresEvent): void {
  figures.value = [...figures.value, merged].slice(-KEPT_S);
  figuresOfWorkers.value = each;
  arrivedMs.value = Date.now();
}

/** Put the seconds that are not here where they belong: before the first one, or into the hole that a lost connection left. */
function join(past: readonly Figures[]): void {
  const held = figures.value;
  const missing = past.filter(({ at_ms }) => !held.some((one) => Math.abs(one.at_ms - at_ms) < SAME_SECOND_MS));
  figures.value = [...held, ...missing].sort((a, b) => a.at_ms - b.at_ms).slice(-KEPT_S);
}

function rowsOf(history: FiguresHistory): Figures[] {
  const columns = Object.entries(history).filter(([, column]) => Array.isArray(column)); // not what means are made of
  return history.at_ms.map((_, i) => Object.fromEntries(columns.map(([name, column]) => [name, column[i]])) as unknown as Figures);
}
