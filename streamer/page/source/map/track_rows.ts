/** The tracks behind the rows of a map: asked for in batches once they are shown, kept as long as the map. */
import { signal } from "@preact/signals";
import { ask } from "../api";
import type { Track } from "../contract";
import { keepTracks } from "../names";

const MOST_A_QUESTION = 200;
const GATHER_MS = 30;
const RETRY_MS = 3_000;

/** The tracks of one release, whose rows no other release shares. */
export class TrackRows {
  readonly #byRow = new Map<number, Track>();
  readonly #rowById = new Map<string, number | null>();
  readonly #wantedRows = new Set<number>();
  readonly #wantedIds = new Set<string>();
  readonly #arrivals = signal(0);
  #timer = 0;

  /** The track of a row; null until it is here. Whoever reads this draws again then. */
  trackOf(row: number): Track | null {
    void this.#arrivals.value;
    const track = this.#byRow.get(row);
    if (track !== undefined) return track;
    this.#wantedRows.add(row);
    this.#schedule(GATHER_MS);
    return null;
  }

  /** The row of a track; null if the release does not know it, or until that is known. */
  rowOf(id: string): number | null {
    void this.#arrivals.value;
    const row = this.#rowById.get(id);
    if (row !== undefined) return row;
    this.#wantedIds.add(id);
    this.#schedule(GATHER_MS);
    return null;
  }

  /** What to call the track of a row: title and artists, or its id; null until it is here. */
  nameOf(row: number): string | null {
    const track = this.trackOf(row);
    if (track === null) return null;
    const artists = (track.artists ?? []).join(", ");
    return track.title === null ? track.track_id : artists ? `${track.title} · ${artists}` : track.title;
  }

  /** Changes whenever tracks arrive. */
  get arrivals(): number {
    return this.#arrivals.value;
  }

  /** Keep tracks that another question brought. */
  #keep(tracks: readonly Track[]): void {
    for (const track of tracks) {
      this.#rowById.set(track.track_id, track.row);
      if (track.row !== null) this.#byRow.set(track.row, track);
    }
    keepTracks(tracks);
    this.#arrivals.value++;
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }

  #schedule(ms: number): void {
    if (this.#timer !== 0) return;
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      void this.#fetch();
    }, ms);
  }

  async #fetch(): Promise<void> {
    const rows = take(this.#wantedRows);
    const ids = take(this.#wantedIds);
    try {
      if (rows.length) this.#keep(await ask<Track[]>("tracks", { rows }));
      if (ids.length) this.#keep(await ask<Track[]>("tracks", { track_ids: ids }));
    } catch {
      for (const row of rows) if (!this.#byRow.has(row)) this.#wantedRows.add(row);
      for (const id of ids) this.#wantedIds.add(id);
      this.#schedule(RETRY_MS);
      return;
    }
    for (const id of ids) if (!this.#rowById.has(id)) this.#rowById.set(id, null);
    if (this.#wantedRows.size + this.#wantedIds.size) this.#schedule(0);
  }
}

function take<T>(wanted: Set<T>): T[] {
  const taken = [...wanted].slice(0, MOST_A_QUESTION);
  for (const one of taken) wanted.delete(one);
  return taken;
}
