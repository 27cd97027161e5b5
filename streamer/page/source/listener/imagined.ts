/** What if: plays that are added or removed in the browser, and the lists that the worker computes on a copy. */
import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import type { ReadonlySignal } from "@preact/signals";
import { useEffect, useMemo } from "preact/hooks";
import { ask } from "../api";
import type { ListenerView, WhatIf } from "../contract";
import { Asking } from "./asking";

export interface Imagined {
  /** Ids of tracks, in the order in which they would come after the latest play. */
  added: ReadonlySignal<readonly string[]>;
  /** Numbers of plays, as long as they are remembered. */
  removed: ReadonlySignal<ReadonlySet<number>>;
  answer: ReadonlySignal<WhatIf | null>;
  error: ReadonlySignal<unknown>;
  /** From the click to the lists, as the browser measures it. */
  tookMs: ReadonlySignal<number | null>;
  add(track: string): void;
  unadd(index: number): void;
  toggle(number: number): void;
  end(): void;
}

/** Keep what is imagined of a listener; it is asked again when they play. */
export function useImagined(view: ReadonlySignal<ListenerView | null>): Imagined {
  const added = useSignal<readonly string[]>([]);
  const picked = useSignal<ReadonlySet<number>>(new Set<number>());
  const removed = useComputed<ReadonlySet<number>>(() => {
    const remembered = new Set(view.value?.plays.map(({ number }) => number));
    return new Set([...picked.value].filter((number) => remembered.has(number)));
  });
  const answer = useSignal<WhatIf | null>(null);
  const error = useSignal<unknown>(null);
  const tookMs = useSignal<number | null>(null);
  const asking = useMemo(() => new Asking(imagine), []);
  useEffect(() => () => asking.end(), []);

  useSignalEffect(() => {
    const user = view.value?.user_id;
    if (!user || (!removed.value.size && !added.value.length)) {
      asking.end();
      answer.value = null;
      error.value = null;
      return;
    }
    asking.ask({ user_id: user, added: added.value.map((track_id) => ({ track_id })), removed: [...removed.value] });
  });

  async function imagine(body: object, stop: AbortSignal): Promise<void> {
    const startMs = performance.now();
    try {
      const lists = await ask<WhatIf>("listener/what-if", body, stop);
      if (stop.aborted) return;
      answer.value = lists;
      error.value = null;
      tookMs.value = performance.now() - startMs;
    } catch (problem) {
      if (!stop.aborted) error.value = problem;
    }
  }

  return useMemo(() => ({
    added, removed, answer, error, tookMs,
    add: (track) => { added.value = [...added.value, track]; },
    unadd: (index) => { added.value = added.value.filter((_, i) => i !== index); },
    toggle: (number) => {
      if (view.value?.release === null) return; // there are no lists yet
      const rest = new Set(removed.value);
      if (!rest.delete(number)) rest.add(number);
      picked.value = rest;
    },
    end: () => { added.value = []; picked.value = new Set(); },
  }), []);
}
