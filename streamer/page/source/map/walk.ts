/** The walk of a listener over the map: their plays, lists and taste, as of the same play, kept up to date. */
import { computed, signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import { QueryError, ask } from "../api";
import type { ListenerView } from "../contract";
import { type Following, useListener } from "../listener/following";
import { type PathAnswer, pathUntil } from "./path";
import { type Replay, begin, beginEarlier, renumber } from "./replay";

export interface Walk {
  readonly view: ListenerView;
  readonly path: PathAnswer;
}

/** Null until a listener with plays is on the map. */
export const walk = signal<Walk | null>(null);
export const replay = signal<Replay>(begin(0));
/** The play nearest to the moment shown; changes less often than the moment. */
export const step = computed(() => Math.round(replay.value.moment));
export const isRunning = computed(() => replay.value.isRunning);
export const isLive = computed(() => replay.value.isLive);

/** Walk with a listener as long as somebody looks; what is returned says why there is no walk, or none that is newer. */
export function useWalk(user: string): Following {
  const following = useListener(user);
  const [error, setError] = useState<QueryError | null>(null);
  const surveyor = useRef<Surveyor | null>(null);
  useEffect(() => {
    const sent = new Surveyor(setError);
    surveyor.current = sent;
    setError(null);
    [walk.value, replay.value] = [null, begin(0)];
    return () => { sent.dispose(); walk.value = null; };
  }, [user]);
  useEffect(() => {
    const { view } = following;
    if (view !== null && view.plays.length > 0 && view.release !== null) surveyor.current?.take(view);
  }, [following.view]);
  return error === null || walk.value !== null ? following : { ...following, error };
}

/** Asks for the path of each view that arrives; of those that arrive meanwhile, only the newest counts. */
class Surveyor {
  readonly #stop = new AbortController();
  readonly #onError: (error: QueryError | null) => void;
  #newest: ListenerView | null = null;
  #isAsking = false;

  constructor(onError: (error: QueryError | null) => void) {
    this.#onError = onError;
  }

  take(view: ListenerView): void {
    this.#newest = view;
    if (!this.#isAsking) void this.#survey();
  }

  dispose(): void {
    this.#stop.abort();
  }

  async #survey(): Promise<void> {
    this.#isAsking = true;
    for (let done: ListenerView | null = null; done !== this.#newest && !this.#stop.signal.aborted; ) {
      done = this.#newest!;
      try {
        const path = await ask<PathAnswer>("listener/path", { user_id: done.user_id }, this.#stop.signal);
        if (!this.#stop.signal.aborted) put({ view: done, path: pathUntil(path, done.plays[0]!.number) });
        this.#onError(null);
      } catch (problem) {
        if (problem instanceof QueryError) this.#onError(problem); // their next play asks again
      }
    }
    this.#isAsking = false;
  }
}

function put(now: Walk): void {
  const before = walk.peek();
  const numPlays = now.path.plays.length;
  if (before !== null) replay.value = renumber(replay.peek(), before.path.plays, now.path.plays);
  else replay.value = matchMedia("(prefers-reduced-motion: reduce)").matches ? begin(numPlays) : beginEarlier(numPlays);
  walk.value = now;
}
