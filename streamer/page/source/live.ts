/** What all views know of the stream as it runs: figures, workers, the newest dead letters, the release that answers. */
import { computed, signal } from "@preact/signals";
import { type QueryError, type StreamState, ask, follow } from "./api";
import type { Figures, FiguresEvent, FiguresHistory, LetterSummary, Letters, Workers } from "./contract";
import { withNew } from "./letters/newest";

/** Seconds that are kept, as many as a worker keeps. */
export const KEPT_S = 600;
const LETTERS_KEPT = 6;

export const connection = signal<StreamState>("connecting");
export const connectionError = signal<QueryError | null>(null);
/** One entry a second, oldest first; replaced, never changed. */
export const figures = signal<readonly Figures[]>([]);
export const figuresOfWorkers = signal<Readonly<Record<string, Figures>>>({});
export const workers = signal<Workers | null>(null);
export const letters = signal<readonly LetterSummary[] | null>(null);
/** undefined: not known yet; null: no release answers. */
export const release = signal<string | null | undefined>(undefined);
export const now = computed<Figures | null>(() => figures.value[figures.value.length - 1] ?? null);

/** Follow the stream until the returned function is called. */
export function goLive(): () => void {
  return follow("events", undefined, {
    onState(state, error) {
      connection.value = state;
      connectionError.value = error;
      if (state === "open") void catchUp();
    },
    onEvent({ name, data }) {
      if (name === "figures") take(data as FiguresEvent);
      if (name === "workers") workers.value = data as Workers;
      if (name === "letter") letters.value = withNew(letters.value ?? [], data as LetterSummary, LETTERS_KEPT);
      if (name === "release") release.value = (data as { release: string | null }).release;
    },
  });
}

/** Read what came before the first event; what a worker cannot say now, its events will. */
async function catchUp(): Promise<void> {
  const [history, peers, newest] = await Promise.allSettled([
    ask<FiguresHistory>("figures/history"),
    ask<Workers>("workers"),
    ask<Letters>(`dead-letters?limit=${LETTERS_KEPT}`),
  ]);
  if (history.status === "fulfilled") join(rowsOf(history.value));
  if (peers.status === "fulfilled") workers.value = peers.value;
  if (newest.status === "fulfilled") letters.value = newest.value.letters.slice(0, LETTERS_KEPT);
}

function take({ merged, workers: each }: FiguresEvent): void {
  figures.value = [...figures.value, merged].slice(-KEPT_S);
  figuresOfWorkers.value = each;
}

function join(past: Figures[]): void {
  const firstMs = figures.value[0]?.at_ms ?? Number.POSITIVE_INFINITY;
  figures.value = [...past.filter(({ at_ms }) => at_ms < firstMs), ...figures.value].slice(-KEPT_S);
}

function rowsOf(history: FiguresHistory): Figures[] {
  const columns = Object.entries(history).filter(([, column]) => Array.isArray(column)); // not what means are made of
  return history.at_ms.map((_, i) => Object.fromEntries(columns.map(([name, column]) => [name, column[i]])) as unknown as Figures);
}
