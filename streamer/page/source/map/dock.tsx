/** The dock: replays a listener's plays, one after another or as they arrive. */
import { ago } from "../format";
import { nowMs } from "../parts/clock";
import { theme } from "../theme";
import { type Atlas, nameOfRegion, regionOf } from "./atlas";
import { nearest } from "./grid";
import { shade } from "./palette";
import { type PathAnswer, tasteAt } from "./path";
import { seek, toggle } from "./replay";
import type { TrackRows } from "./track_rows";
import { type Walk, isLive, isRunning, replay, step } from "./walk";

interface Props {
  readonly atlas: Atlas;
  readonly rows: TrackRows;
  readonly now: Walk;
  readonly playRows: readonly (number | null)[];
}

export function Dock({ atlas, rows, now, playRows }: Props) {
  const last = now.path.plays.length - 1;
  const index = Math.min(step.value, last);
  const play = now.view.plays.find(({ number }) => number === now.path.plays[index]);
  const row = playRows[index] ?? null;
  const name = row === null ? (play?.track_id ?? "a track this release does not know") : (rows.nameOf(row) ?? "…");
  const when = play ? ago(play.played_at, nowMs.value) : "";
  return (
    <section class="map-dock" aria-label="Replay of the remembered plays">
      <button type="button" class="icon map-play" aria-label={isRunning.value ? "Stop" : "Replay"} disabled={last === 0}
        onClick={() => { replay.value = toggle(replay.value); }}>
        <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
          <path fill="currentColor" d={isRunning.value ? "M4 3h3v10H4zM9 3h3v10H9z" : "M4.5 2.5v11l9-5.5z"} />
        </svg>
      </button>
      <div class="map-line">
        <Plays atlas={atlas} playRows={playRows} index={index} />
        <input type="range" style={alongPlays(last + 1)} min={0} max={Math.max(last, 1)} step={1} value={index} disabled={last === 0} aria-label="Play"
          aria-valuetext={`Play ${index + 1} of ${last + 1}: ${name}, ${when}`}
          onInput={(event) => { replay.value = seek(replay.value, event.currentTarget.valueAsNumber); }} />
      </div>
      <p class="map-moment">
        <b>{index + 1}<span class="aside"> / {last + 1}</span></b>
        <span class="name">{name}</span>
        <span class="aside">{when}</span>
      </p>
      <p class="map-tastes">
        {now.path.horizons.map(({ horizon, points }) => (
          <span key={horizon} class={horizon}><i aria-hidden="true" />{horizon} taste in {whereIs(atlas, points, index)}</span>
        ))}
      </p>
      <button type="button" class={`map-live ${isLive.value ? "on" : ""}`} aria-pressed={isLive.value}
        onClick={() => { replay.value = seek(replay.value, last); }}>
        <i aria-hidden="true" />live
      </button>
    </section>
  );
}

/** The slider's place in the strip: its thumb, 3 pixels wide, is in the middle of the play that it is at. */
function alongPlays(numPlays: number): { left: string; width: string } {
  const half = 50 / numPlays;
  return { left: `calc(${half}% - 1.5px)`, width: `calc(${100 - 2 * half}% + 3px)` };
}

/** The plays as a strip, each in the colour of its track's region. */
function Plays({ atlas, playRows, index }: { atlas: Atlas; playRows: readonly (number | null)[]; index: number }) {
  const width = 100 / Math.max(playRows.length, 1);
  return (
    <svg class="map-plays" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
      {playRows.map((row, place) => (
        <rect key={place} x={place * width + width * 0.12} width={width * 0.76} y={place === index ? 0 : 2} height={place === index ? 10 : 6}
          class={row === null ? "unknown" : ""} opacity={place <= index ? 1 : 0.35}
          {...(row === null ? {} : { fill: shade(atlas.layout.groups[row]!, theme.value) })} />
      ))}
    </svg>
  );
}

/** The name of the region that a taste is in: that of the nearest track. */
export function whereIs(atlas: Atlas, points: PathAnswer["horizons"][number]["points"], moment: number): string {
  const taste = tasteAt(points, moment);
  if (taste === null) return "no region";
  for (const reach of [0.02, 0.1, 0.5, 3]) {
    const row = nearest(atlas.grid, taste, reach);
    if (row !== null) return nameOfRegion(regionOf(atlas, row));
  }
  return "no region";
}
