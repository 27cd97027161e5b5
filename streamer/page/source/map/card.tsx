/** The card of a chosen track: its names, its region, and its places in the listener's lists. */
import type { ComponentChildren } from "preact";
import { number, plural } from "../format";
import { type Atlas, nameOfRegion, regionOf } from "./atlas";
import { Swatch } from "./swatch";
import type { TrackRows } from "./track_rows";
import { walk } from "./walk";

interface Props {
  readonly atlas: Atlas;
  readonly rows: TrackRows;
  readonly row: number;
  readonly onClose: () => void;
}

export function TrackCard({ atlas, rows, row, onClose }: Props) {
  const track = rows.trackOf(row);
  const region = regionOf(atlas, row);
  const isNamed = track?.title != null;
  return (
    <section class="map-card" aria-label="Chosen track">
      <header>
        <div>
          <h2>{track === null ? "…" : (track.title ?? track.track_id)}</h2>
          {track?.artists?.length ? <p>{track.artists.join(", ")}</p> : null}
        </div>
        <button type="button" class="quiet icon" aria-label="Close" onClick={onClose}>×</button>
      </header>
      <dl>
        {track?.album && <Line name="Album">{track.album}{track.released && <span class="aside"> {track.released.slice(0, 4)}</span>}</Line>}
        <Line name="Region"><Swatch group={region?.group ?? 0} /> {nameOfRegion(region)}</Line>
        {track?.tags?.length ? <Line name="Tags" isDetail>{track.tags.join(", ")}</Line> : null}
        <Line name="Popularity" isDetail><Popularity weight={atlas.layout.weights[row]!} /></Line>
        {isNamed && <Line name="Id" isDetail><code>{track.track_id}</code></Line>}
        {track !== null && <Places id={track.track_id} />}
      </dl>
      {track?.is_withdrawn && <p class="note">Withdrawn: it is in no list until its record returns.</p>}
    </section>
  );
}

/** A line of the card; a detail is left out where there is little room. */
function Line({ name, isDetail = false, children }: { name: string; isDetail?: boolean; children: ComponentChildren }) {
  return <div class={isDetail ? "detail" : ""}><dt>{name}</dt><dd>{children}</dd></div>;
}

/** The logarithm of its plays, as a bar of the widest. */
function Popularity({ weight }: { weight: number }) {
  const share = weight / 255;
  return (
    <svg class="map-popularity" viewBox="0 0 100 6" preserveAspectRatio="none" role="img" aria-label={`${Math.round(share * 100)} of 100, by the logarithm of plays`}>
      <rect class="all" width="100" height="6" rx="2" />
      <rect class="part" width={Math.max(share * 100, 2)} height="6" rx="2" />
    </svg>
  );
}

/** What the track is to the listener on the map. */
function Places({ id }: { id: string }) {
  const now = walk.value;
  if (now === null) return null;
  const plays = now.view.plays.filter(({ track_id }) => track_id === id).length;
  const places = now.view.lists.flatMap(({ horizon, tracks }) => {
    const place = tracks.findIndex(({ track_id }) => track_id === id);
    return place < 0 ? [] : [`${horizon} list: ${place + 1}`];
  });
  const words = [...places, ...(plays ? [`played ${number(plays)} of the last ${plural(now.view.plays.length, "time")}`] : [])];
  return <Line name="Listener">{words.length ? words.join("; ") : "in neither list, not among the remembered plays"}</Line>;
}
