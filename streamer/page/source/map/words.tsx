/** The map in words: what it shows, for who does not see it. */
import { number } from "../format";
import { Ago } from "../parts/ago";
import { UserId } from "../parts/user_id";
import { type Atlas, nameOfRegion } from "./atlas";
import { whereIs } from "./dock";
import { heaviest } from "./grid";
import type { TrackRows } from "./track_rows";
import type { Walk } from "./walk";

const EXAMPLES = 3; // tracks named for each region
const SPAN = 0.12; // of the plane, around a region's name, in which its examples are looked for
const PLAYS = 20;

export function MapInWords({ atlas, rows, now }: { atlas: Atlas; rows: TrackRows; now: Walk | null }) {
  return (
    <div class="map-words">
      {now !== null && <PlaysInWords atlas={atlas} rows={rows} now={now} />}
      <table>
        <caption>Regions</caption>
        <thead><tr><th scope="col">Region</th><th scope="col" class="figure">Tracks</th><th scope="col">Popular there</th></tr></thead>
        <tbody>
          {atlas.regions.map((region, index) => (
            <tr key={index}>
              <th scope="row">{nameOfRegion(region)}</th>
              <td class="figure">{number(region.tracks)}</td>
              <td>{examples(atlas, region).map((row) => rows.nameOf(row) ?? "…").join("; ")}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function examples({ grid, layout }: Atlas, { x, y, group }: Atlas["regions"][number]): number[] {
  const bounds = { left: x - SPAN, right: x + SPAN, bottom: y - SPAN, top: y + SPAN };
  return heaviest(grid, layout.weights, bounds, 40).filter((row) => layout.groups[row] === group).slice(0, EXAMPLES);
}

/** The latest plays, and in which region each taste was after them. */
function PlaysInWords({ atlas, rows, now }: { atlas: Atlas; rows: TrackRows; now: Walk }) {
  const { plays, horizons } = now.path;
  const latest = plays.map((play, index) => ({ play, index })).slice(-PLAYS).reverse();
  return (
    <table>
      <caption>The latest plays of <UserId id={now.view.user_id} />, newest first</caption>
      <thead>
        <tr>
          <th scope="col" class="figure">Play</th><th scope="col">Track</th><th scope="col">When</th>
          {horizons.map(({ horizon }) => <th key={horizon} scope="col">{horizon} taste then</th>)}
        </tr>
      </thead>
      <tbody>
        {latest.map(({ play, index }) => {
          const found = now.view.plays.find(({ number }) => number === play);
          const row = found?.track_id == null ? null : rows.rowOf(found.track_id);
          return (
            <tr key={play}>
              <td class="figure">{play}</td>
              <td>{row === null ? (found?.track_id ?? "unknown to this release") : (rows.nameOf(row) ?? found?.track_id)}</td>
              <td>{found && <Ago ms={found.played_at} />}</td>
              {horizons.map(({ horizon, points }) => <td key={horizon}>{whereIs(atlas, points, index)}</td>)}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
