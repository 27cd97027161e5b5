/** An answer of a worker: loading, here or failed; asked for again as long as waiting helps. */
import { useCallback, useEffect, useState } from "preact/hooks";
import { isPassing, waitMsOf } from "../api";

export interface Answer<T> {
  /** The newest answer, also while it is asked for again; null before the first. */
  readonly value: T | null;
  /** Whether the value answers what is asked by now, not what was asked before. */
  readonly isCurrent: boolean;
  /** Why the newest question got none. */
  readonly error: unknown;
  readonly isAsking: boolean;
  readonly again: () => void;
}

/** Ask when a view appears and whenever `what` changes; `what` is compared by its text. */
export function useAnswer<T>(question: (stop: AbortSignal) => Promise<T>, what = ""): Answer<T> {
  const [count, setCount] = useState(0);
  const [answer, setAnswer] = useState<Omit<Answer<T>, "again" | "isCurrent"> & { of: string }>({ value: null, of: what, error: null, isAsking: true });
  const again = useCallback(() => setCount((times) => times + 1), []);
  useEffect(() => {
    const stop = new AbortController();
    let timer = 0;
    setAnswer((before) => ({ ...before, isAsking: true }));
    question(stop.signal).then(
      (value) => { if (!stop.signal.aborted) setAnswer({ value, of: what, error: null, isAsking: false }); },
      (error: unknown) => {
        if (stop.signal.aborted) return;
        setAnswer((before) => ({ ...before, error, isAsking: false }));
        if (isPassing(error)) timer = window.setTimeout(again, waitMsOf(error));
      },
    );
    return () => { clearTimeout(timer); stop.abort(); };
  }, [what, count]);
  const { of, ...kept } = answer;
  return { ...kept, isCurrent: of === what, again };
}
