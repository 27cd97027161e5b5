/** Asks a worker: queries, their errors, and event streams that reconnect; knows nothing of what is shown. */
import { signal } from "@preact/signals";
import { type ServerEvent, eventsOf } from "./server_events";

const TOKEN = "refrain.token";

export type ErrorCode =
  | "bad_request" | "too_large" | "unauthorized" | "forbidden" | "not_found" | "method_not_allowed" | "busy" | "elsewhere"
  | "moving" | "no_release" | "conflict" | "unavailable" | "no_map" | "internal" // what a worker answers
  | "unreachable" | "unknown"; // what the page makes of no answer, and of another's

/** A query that got no answer: what, which and what to do, as the worker says it. */
export class QueryError extends Error {
  constructor(readonly code: ErrorCode, message: string, readonly status: number, readonly retryAfterS: number | null) {
    super(message);
    this.name = "QueryError";
  }
}

/** Codes after which waiting helps: the page asks again by itself. */
const PASSING: ReadonlySet<unknown> = new Set<ErrorCode>(["moving", "elsewhere", "unreachable", "busy", "unavailable"]);
/** Codes after which the same question, with the same token, gets the same answer. */
const FINAL: ReadonlySet<unknown> = new Set<ErrorCode>(["bad_request", "too_large", "unauthorized", "forbidden"]);
const RETRY_MS = 3_000;

export function isPassing(error: unknown): error is QueryError {
  if (!(error instanceof QueryError)) return false;
  return PASSING.has(error.code) || (error.code === "unknown" && error.status >= 500); // a proxy's, which has no worker now
}

export function isFinal(error: unknown): boolean {
  return error instanceof QueryError && FINAL.has(error.code);
}

/** How long to wait before asking again. */
export function waitMsOf({ retryAfterS }: QueryError): number {
  return retryAfterS === null ? RETRY_MS : retryAfterS * 1000;
}

/** The token of this tab; it is in no URL and no cookie, and ends with the tab. */
export const token = signal(sessionStorage.getItem(TOKEN) ?? "");

/** Whether the last answer said that a token is missing or wrong. */
export const isRefused = signal(false);

export function keepToken(value: string): void {
  token.value = value;
  if (value) sessionStorage.setItem(TOKEN, value);
  else sessionStorage.removeItem(TOKEN);
}

interface Question {
  /** Makes it a POST. */
  body?: unknown;
  stop?: AbortSignal | undefined;
  headers?: Record<string, string>;
}

/** Ask, and return the response if it is a success. Throws a QueryError. */
export async function respond(path: string, { body, stop, headers }: Question = {}): Promise<Response> {
  const all: Record<string, string> = { ...headers };
  if (token.value) all["Authorization"] = `Bearer ${token.value}`;
  if (body !== undefined) all["Content-Type"] = "application/json";
  const request: RequestInit = { headers: all, method: body === undefined ? "GET" : "POST", cache: "no-cache" };
  if (body !== undefined) request.body = JSON.stringify(body);
  if (stop) request.signal = stop;
  let response: Response;
  try {
    response = await fetch(`api/v1/${path}`, request);
  } catch (problem) {
    if (stop?.aborted) throw problem;
    throw new QueryError("unreachable", "The worker at this address does not answer: it may be restarting.", 0, null);
  }
  if (response.ok) return response;
  throw await errorOf(response);
}

/** Ask for JSON: a GET, or a POST if there is a body. */
export async function ask<T>(path: string, body?: unknown, stop?: AbortSignal): Promise<T> {
  const response = await respond(path, { body, stop });
  try {
    return (await response.json()) as T;
  } catch (problem) {
    if (stop?.aborted) throw problem;
    throw new QueryError("unreachable", "The answer of the worker broke off.", 0, null);
  }
}

/** Ask until there is an answer or waiting does not help; `onError` is told of each failure. Null: no answer, or none is wanted. */
export async function askPatiently<T>(path: string, body: unknown, stop: AbortSignal, onError: (error: unknown) => void): Promise<T | null> {
  while (!stop.aborted) {
    try {
      const answer = await ask<T>(path, body, stop);
      return stop.aborted ? null : answer;
    } catch (error) {
      if (stop.aborted) return null;
      onError(error);
      if (!isPassing(error)) return null;
      await pause(waitMsOf(error), stop);
    }
  }
  return null;
}

async function errorOf(response: Response): Promise<QueryError> {
  if (response.status === 401) isRefused.value = true;
  const retryAfter = Number(response.headers.get("Retry-After") ?? Number.NaN);
  const retryAfterS = Number.isFinite(retryAfter) ? retryAfter : null;
  try {
    const { error } = (await response.json()) as { error: { code: ErrorCode; message: string } };
    return new QueryError(error.code, error.message, response.status, retryAfterS);
  } catch {
    return new QueryError("unknown", `The worker answered with status ${response.status}.`, response.status, retryAfterS);
  }
}

export type StreamState = "connecting" | "open" | "lost";

export interface Listening {
  onEvent(event: ServerEvent): void;
  onState?(state: StreamState, error: QueryError | null): void;
}

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
/** A worker answers sooner; what is between may hold a question for ever. */
const OPENING_MS = 20_000;

/**
 * Follow a stream of events until the returned function is called; a lost one is opened again, ever more patiently, unless
 * the worker refuses the question itself.
 */
export function follow(path: string, body: unknown, { onEvent, onState }: Listening): () => void {
  const stop = new AbortController();
  void run();
  return () => stop.abort();

  async function run(): Promise<void> {
    for (let wait = FIRST_WAIT_MS; !stop.signal.aborted; wait = Math.min(wait * 2, LONGEST_WAIT_MS)) {
      let error: QueryError | null = null;
      try {
        const response = await open();
        onState?.("open", null);
        for await (const event of eventsOf(response)) {
          if (stop.signal.aborted) return;
          wait = FIRST_WAIT_MS / 2;
          onEvent(event);
        }
      } catch (problem) {
        if (stop.signal.aborted) return;
        error = problem instanceof QueryError ? problem : null;
      }
      onState?.("lost", error);
      if (isFinal(error)) return; // whoever gives a token, or asks for something else, begins again
      const waitMs = error?.retryAfterS ? error.retryAfterS * 1000 : wait * (0.75 + Math.random() / 2);
      await pause(waitMs, stop.signal);
      if (!stop.signal.aborted) onState?.("connecting", error);
    }
  }

  async function open(): Promise<Response> {
    const attempt = new AbortController();
    const end = () => attempt.abort();
    const timer = setTimeout(end, OPENING_MS);
    stop.signal.addEventListener("abort", end);
    try {
      return await respond(path, { body, stop: attempt.signal, headers: { Accept: "text/event-stream" } });
    } finally {
      clearTimeout(timer);
    }
  }
}

/** Wait, or less where the wait is no longer wanted. */
export function pause(ms: number, stop: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, ms);
    stop.addEventListener("abort", () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
