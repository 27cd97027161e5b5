/** What is shown where there is nothing to show yet: loading, empty, failed, moving. */
import type { ComponentChildren } from "preact";
import { QueryError, isPassing } from "../api";

/** Lines of text to come, in about their places. */
export function Loading({ what, lines = 4 }: { what: string; lines?: number }) {
  return (
    <div class="loading" role="status" aria-label={`Loading ${what}`}>
      {Array.from({ length: lines }, (_, i) => <span key={i} class="ghost" />)}
    </div>
  );
}

/** Nothing is wrong, there is only nothing here: says why, and what to do. */
export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return <div class="blank"><h2>{title}</h2>{children && <p>{children}</p>}</div>;
}

const TITLES: Partial<Record<QueryError["code"], string>> = {
  moving: "The partition is moving",
  elsewhere: "The worker cannot be reached",
  unreachable: "No answer",
  unauthorized: "A token is needed",
  forbidden: "Not allowed",
  busy: "The worker is busy",
  not_found: "Not found",
  unavailable: "Kafka or the release store does not answer",
};

/** A query that failed, in the words of the worker; `onRetry` offers to ask again. */
export function Failure({ error, onRetry }: { error: unknown; onRetry?: (() => void) | undefined }) {
  const known = error instanceof QueryError ? error : null;
  if (known?.code === "no_release") return <NoRelease />;
  const isRepeated = isPassing(error);
  const title = (known && TITLES[known.code]) ?? "That did not work";
  return (
    <div class={`blank ${isRepeated ? "passing" : "failed"}`} role="alert">
      <h2>{title}</h2>
      <p>{error instanceof Error ? error.message : String(error)}</p>
      {isRepeated && !onRetry && <p class="note">The page asks again by itself.</p>}
      {onRetry && <button type="button" onClick={onRetry}>Ask again</button>}
    </div>
  );
}

/** In the place of lists and map before the first release: nothing is wrong, and they come by themselves. */
export function NoRelease() {
  return <div class="blank passing" role="status"><h2>No release answers yet</h2><p><NoReleaseHint /></p></div>;
}

export function NoReleaseHint() {
  return (
    <span>
      Plays are remembered; lists and the map come with the first release. A running trainer makes it as soon as enough plays have
      arrived, and its log says how far it is. Without a trainer: <code>refrain trainer --once</code>
    </span>
  );
}
