/** What tracks are called: asked for in batches once they are shown, then kept. */
import { signal } from "@preact/signals";
import { ask, isFinal } from "./api";
import type { Track } from "./contract";

const MOST_A_QUESTION = 200;
/** More than the tracks of every list that is ever open at once. */
const MOST_KEPT = 20_000;
const RETRY_MS = 3_000;

const kept = new Map<string, Track>();
const wanted = new Set<string>();
let isScheduled = false;
/** Changes when names arrive: what reads a name is drawn again. */
const arrivals = signal(0);

/** The track, if its names are here; else they are asked for, and whoever reads this draws again once they are. */
export function trackOf(id: string): Track | null {
  void arrivals.value;
  const track = kept.get(id);
  if (track) return track;
  wanted.add(id);
  schedule(20);
  return null;
}

/** Title and artists, or the id where the catalogue has no title. */
export function namesOf(id: string): { title: string; artists: string; isNamed: boolean } {
  const track = trackOf(id);
  if (!track?.title) return { title: id, artists: "", isNamed: false };
  return { title: track.title, artists: (track.artists ?? []).join(", "), isNamed: true };
}

/** Keep tracks that another question brought, such as a search. */
export function keepTracks(tracks: readonly Track[]): void {
  for (const track of tracks) kept.set(track.track_id, track);
  for (const id of kept.keys()) {
    if (kept.size <= MOST_KEPT) break;
    kept.delete(id);
  }
  arrivals.value++;
}

/** Forget all names, for a catalogue that has changed. */
export function forgetNames(): void {
  kept.clear();
  wanted.clear();
  arrivals.value++;
}

function schedule(ms: number): void {
  if (isScheduled) return;
  isScheduled = true;
  setTimeout(() => { isScheduled = false; void fetchWanted(); }, ms);
}

async function fetchWanted(): Promise<void> {
  const ids = [...wanted].slice(0, MOST_A_QUESTION);
  if (!ids.length) return;
  for (const id of ids) wanted.delete(id);
  try {
    keepTracks(await ask<Track[]>("tracks", { track_ids: ids }));
  } catch (problem) {
    if (isFinal(problem)) return; // whoever shows them with another token asks again
    for (const id of ids) wanted.add(id); // ids are shown meanwhile
    schedule(RETRY_MS);
    return;
  }
  for (const id of ids) if (!kept.has(id)) kept.set(id, unknown(id));
  if (wanted.size) schedule(0);
}

function unknown(id: string): Track {
  return {
    row: null, track_id: id, title: null, artists: null, album: null, released: null, duration_ms: null, tags: null,
    is_withdrawn: false, popularity: null,
  };
}
