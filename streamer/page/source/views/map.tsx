/** The view of the map of taste: the catalogue as a picture, and a listener's taste wandering over it. */
import { type Signal, effect, useComputed, useSignal } from "@preact/signals";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { QueryError } from "../api";
import { plural, short } from "../format";
import { chosen as chosenListener } from "../listener/chosen";
import type { Following } from "../listener/following";
import { release } from "../live";
import { type Atlas, loadAtlas, nameOfRegion, regionOf } from "../map/atlas";
import { type Insets, UNCOVERED, around, viewOf, widen } from "../map/camera";
import { TrackCard } from "../map/card";
import { mapTheme } from "../map/colours";
import { Dock } from "../map/dock";
import { heaviest } from "../map/grid";
import type { Box } from "../map/labels";
import { hasPlace } from "../map/layout";
import { Followed, ListenerField, Regions, anybody } from "../map/panel";
import { advance, isMoving, toggle } from "../map/replay";
import type { Region, Scene, Wanderer } from "../map/scene";
import { Stage } from "../map/stage";
import { TrackRows } from "../map/track_rows";
import { replay, useWalk, walk } from "../map/walk";
import { MapInWords } from "../map/words";
import { trackOf } from "../names";
import { type Answer, useAnswer } from "../parts/answer";
import { TrackSearch } from "../parts/search";
import { Empty, Failure, Loading } from "../parts/state";
import { visible } from "../parts/user_id";
import { useKeys } from "../shortcuts";
import { toast } from "../toasts";

const NAMED = 40; // tracks whose names are asked for in a close view
const MARGIN = 20; // pixels between the dock and the window's edge
const AROUND_A_REGION = 0.34; // units of the map that are shown of a region

export function MapOfTaste() {
  const atlas = useAtlas();
  if (atlas.value === null) return <Unloaded error={atlas.error} onRetry={atlas.again} />;
  return <Loaded key={atlas.value.layout.release} atlas={atlas.value} onOtherRelease={atlas.again} />;
}

/** The atlas of the release that answers: loaded at once, and again only for a release that it is not of. */
function useAtlas(): Answer<Atlas> {
  const [wanted, setWanted] = useState(release.value ?? "");
  const atlas = useAnswer(loadAtlas, wanted);
  const loaded = atlas.value?.layout.release;
  useEffect(() => {
    if (release.value && !atlas.isAsking && release.value !== loaded) setWanted(release.value);
  }, [release.value, atlas.isAsking, loaded]);
  return atlas;
}

function Unloaded({ error, onRetry }: { error: unknown; onRetry: () => void }) {
  if (error === null) return <Loading what="the map of taste" lines={6} />;
  if (error instanceof QueryError && error.code === "no_map") {
    return (
      <Empty title="This release has no map">
        It was saved before maps were made. The next release of the trainer will have one, and this page shows it then.
      </Empty>
    );
  }
  return <Failure error={error} onRetry={onRetry} />;
}

function Loaded({ atlas, onOtherRelease }: { atlas: Atlas; onOtherRelease: () => void }) {
  const rows = useMemo(() => new TrackRows(), []);
  useEffect(() => () => rows.dispose(), []);
  const following = useWalk(chosenListener.value);
  const now = walk.value;
  const [pointed, selected, only] = [useSignal<number | null>(null), useSignal<number | null>(null), useSignal<number | null>(null)];
  const chosen = { pointed, selected, only, named: useSignal<readonly number[]>([]) };
  const { stage, element, tracks, ink } = useStage(atlas, rows, chosen);

  const pathRelease = now?.path.release ?? atlas.layout.release;
  useEffect(() => { if (pathRelease !== atlas.layout.release) onOtherRelease(); }, [pathRelease]);
  useFirstSight(stage, now?.view.user_id ?? null);

  useKeys({
    "/": () => document.querySelector<HTMLElement>(".map-panel input")?.focus(),
    a: () => void anybody(),
    p: () => { replay.value = toggle(replay.value); },
  });
  return (
    <>
      <h1 class="unseen">Map of taste</h1>
      <section class="map" aria-label="Map of taste">
        <div ref={element} class="map-stage" tabIndex={0} role="application" aria-label={labelOf(atlas)} aria-describedby="map-keys">
          <canvas ref={tracks} aria-hidden="true" />
          <canvas ref={ink} aria-hidden="true" />
        </div>
        <p id="map-keys" class="unseen">Arrow keys move the map, plus and minus zoom, 0 shows all of it, Enter chooses the track in the middle. The map in words is below.</p>
        <p class="unseen" aria-live="polite"><Pointed atlas={atlas} rows={rows} row={chosen.pointed.value} /></p>
        <Panel atlas={atlas} following={following} stage={stage} selected={chosen.selected} only={chosen.only} />
        <Tools stage={stage} />
        {chosen.selected.value !== null && (
          <TrackCard atlas={atlas} rows={rows} row={chosen.selected.value} onClose={() => { chosen.selected.value = null; }} />
        )}
        {now !== null && <Dock atlas={atlas} rows={rows} now={now} playRows={playRowsOf(rows)} />}
      </section>
      <details class="map-in-words">
        <summary>The map in words</summary>
        <MapInWords atlas={atlas} rows={rows} now={now} />
      </details>
    </>
  );
}

interface PanelProps {
  readonly atlas: Atlas;
  readonly following: Following;
  readonly stage: Stage | null;
  readonly selected: Signal<number | null>;
  readonly only: Signal<number | null>;
}

function Panel({ atlas, following, stage, selected, only }: PanelProps) {
  const user = chosenListener.value;
  const find = (id: string) => {
    const row = trackOf(id)?.row ?? null;
    if (row === null) return toast("This release does not know that track, so the map has no place for it.", "failed");
    if (!hasPlace(atlas.layout, row)) return toast("That track has no place: the map shows the most played ones.", "failed");
    selected.value = row;
    stage?.flyTo(row);
  };
  const pickRegion = (region: Region) => {
    const isOnly = only.value === region.group;
    only.value = isOnly ? null : region.group;
    if (isOnly) stage?.flyOut();
    else stage?.flyAround(widen(around([[region.x, region.y]]), AROUND_A_REGION));
  };
  return (
    <div class="map-panel">
      <TrackSearch label="Find a track" placeholder="Find a track or an artist" onPick={find} />
      {user ? <Followed user={user} following={following} /> : <ListenerField />}
      <details class="map-legend">
        <summary>{plural(atlas.grid.rows.length, "track")}, {plural(atlas.regions.length, "region")}</summary>
        <Regions atlas={atlas} only={only.value} onPick={pickRegion} />
      </details>
    </div>
  );
}

function Tools({ stage }: { stage: Stage | null }) {
  return (
    <div class="map-tools">
      <button type="button" class="icon" aria-label="Zoom in" onClick={() => stage?.zoomBy(2)}>+</button>
      <button type="button" class="icon" aria-label="Zoom out" onClick={() => stage?.zoomBy(0.5)}>−</button>
      <button type="button" class="icon" aria-label="Show all" onClick={() => stage?.flyOut()}>
        <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true"><path d="M2.5 6V2.5H6M10 2.5h3.5V6M13.5 10v3.5H10M6 13.5H2.5V10" fill="none" stroke="currentColor" stroke-width="1.5" /></svg>
      </button>
    </div>
  );
}

/** What is pointed at by key, read aloud. */
function Pointed({ atlas, rows, row }: { atlas: Atlas; rows: TrackRows; row: number | null }) {
  if (row === null) return null;
  return <>{rows.nameOf(row) ?? ""}, {nameOfRegion(regionOf(atlas, row))}</>;
}

function labelOf({ grid, layout }: Atlas): string {
  const now = walk.value;
  return `Map of ${plural(grid.rows.length, "track")}${now !== null ? `, with listener ${visible(now.view.user_id)}` : ""}, release ${short(layout.release, 24)}`;
}

interface Chosen {
  readonly pointed: Signal<number | null>;
  readonly selected: Signal<number | null>;
  readonly only: Signal<number | null>;
  readonly named: Signal<readonly number[]>;
}

/** The stage in its element, shown whatever the signals say. */
function useStage(atlas: Atlas, rows: TrackRows, { pointed, selected, only, named }: Chosen) {
  const [stage, setStage] = useState<Stage | null>(null);
  const element = useRef<HTMLDivElement>(null);
  const tracks = useRef<HTMLCanvasElement>(null);
  const ink = useRef<HTMLCanvasElement>(null);
  const scene = useComputed<Scene>(() => {
    void rows.arrivals;
    return {
      ...atlas, theme: mapTheme.value, nameOf: (row) => rows.nameOf(row), named: named.value, wanderer: wandererOf(atlas, rows),
      pointed: pointed.value, selected: selected.value, only: only.value,
    };
  });
  useEffect(() => {
    const shown = element.current!;
    const boards = { element: shown, tracks: tracks.current!, ink: ink.current!, covered: () => coveredIn(shown), floats: () => floatsOn(shown) };
    const made = new Stage(boards, scene.peek(), {
      onPoint: (row) => { pointed.value = row; },
      onChoose: (row) => { selected.value = row; },
      onRest: (camera, window) => { named.value = heaviest(atlas.grid, atlas.layout.weights, viewOf(camera, window), NAMED); },
      onFrame: (seconds) => {
        replay.value = advance(replay.value, seconds);
        return isMoving(replay.value);
      },
    });
    const end = effect(() => made.show(scene.value));
    setStage(made);
    return () => { end(); made.dispose(); };
  }, []);
  return { stage, element, tracks, ink };
}

/** What the panels that float on a stage cover of it. */
function coveredIn(element: HTMLElement): Insets {
  const [panel, dock] = [".map-panel", ".map-dock"].map((name) => element.parentElement?.querySelector<HTMLElement>(name));
  const floats = (one: HTMLElement | null | undefined) => one != null && getComputedStyle(one).position === "absolute";
  return {
    ...UNCOVERED,
    left: floats(panel) ? panel!.offsetLeft + panel!.offsetWidth : 0,
    bottom: floats(dock) ? dock!.offsetHeight + MARGIN : 0,
  };
}

/** Where panels and buttons are, in pixels of a stage: above it, or beside it as panels are on a phone. */
function floatsOn(element: HTMLElement): Box[] {
  const stage = element.getBoundingClientRect();
  return [...element.parentElement?.querySelectorAll(".map-panel, .map-tools, .map-card, .map-dock") ?? []].map((one) => {
    const { left, right, top, bottom } = one.getBoundingClientRect();
    return { left: left - stage.left, right: right - stage.left, top: top - stage.top, bottom: bottom - stage.top };
  });
}

/** Show where a listener is, once they come on the map. */
function useFirstSight(stage: Stage | null, user: string | null): void {
  useEffect(() => {
    const now = walk.peek();
    if (stage === null || user === null || now === null) return;
    stage.flyAround(widen(around(now.path.horizons.flatMap(({ points }) => points)), 0.5));
  }, [stage, user]);
}

/** The rows of the remembered plays, oldest first, as the path counts them. */
function playRowsOf(rows: TrackRows): (number | null)[] {
  const now = walk.value;
  if (now === null) return [];
  const ids = new Map(now.view.plays.map(({ number: play, track_id }) => [play, track_id]));
  return now.path.plays.map((play) => {
    const id = ids.get(play);
    return id == null ? null : rows.rowOf(id);
  });
}

function wandererOf({ layout }: Atlas, rows: TrackRows): Wanderer | null {
  const now = walk.value;
  if (now === null) return null;
  const rowsOfList = (horizon: string) => (now.view.lists.find((list) => list.horizon === horizon)?.tracks ?? [])
    .map(({ track_id }) => rows.rowOf(track_id)).filter((row) => row !== null && hasPlace(layout, row)) as number[];
  return {
    plays: playRowsOf(rows).map((row) => (row !== null && hasPlace(layout, row) ? row : null)),
    ways: now.path.horizons.map(({ horizon, points }) => ({ horizon, points, rows: rowsOfList(horizon) })),
    moment: replay.value.moment,
  };
}
