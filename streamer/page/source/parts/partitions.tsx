/** The partitions as squares in the rows of the workers that own them; a square travels when its partition does. */
import { useRef } from "preact/hooks";
import type { Figures, Worker, Workers } from "../contract";
import { plural } from "../format";
import { useWidth } from "./width";
import { nameOf } from "./worker_name";

const CELL = 26;
const STEP = 30;
const LABEL = 26;
const BETWEEN = 14;

interface Cell {
  key: string;
  partition: number;
  /** `unreached`: owned by a worker that nobody can ask, and that may be dead. */
  kind: "owned" | "unreached" | "standby" | "moving";
  x: number;
  y: number;
}

interface Row {
  key: string;
  worker: Worker | null;
  y: number;
}

export function Partitions({ workers, figures }: { workers: Workers; figures: Readonly<Record<string, Figures>> }) {
  const place = useRef<HTMLDivElement>(null);
  const width = useWidth(place);
  const { rows, cells, height } = arrange(workers, Math.max(1, Math.floor((width + STEP - CELL) / STEP)));
  return (
    <div ref={place} class="partitions" style={{ height: `${height}px` }}>
      <ul class="unseen">{rows.map(({ key, worker }) => <li key={key}>{inWords(workers, worker)}</li>)}</ul>
      {width > 0 && rows.map(({ key, worker, y }) => (
        <div key={key} class="partition-row" style={{ transform: `translateY(${y}px)` }} aria-hidden="true">
          {worker ? <WorkerLabel worker={worker} name={nameOf(worker, workers.workers)} figures={figures[worker.identity]} /> : <span class="warned">Moving: their plays wait</span>}
        </div>
      ))}
      {width > 0 && cells.map(({ key, partition, kind, x, y }) => (
        <span key={key} class={`cell ${kind}`} style={{ transform: `translate(${x}px, ${y}px)` }} aria-hidden="true">{partition}</span>
      ))}
    </div>
  );
}

function WorkerLabel({ worker, name, figures }: { worker: Worker; name: string; figures: Figures | undefined }) {
  return (
    <>
      <b title={titleOf(worker)}>{name}</b>
      {worker.is_self && <span class="badge">this one</span>}
      {worker.is_reachable
        ? <span class="of">{figures ? `${plural(figures.plays_per_s, "play")}/s` : ""}</span>
        : <span class="of bad">cannot be reached</span>}
    </>
  );
}

/** What a short name leaves out. */
function titleOf({ identity, url }: Worker): string {
  return url === null ? identity : `${identity}, ${url}`;
}

/** Give each worker a row, each partition a square in its owner's row, and those that nobody owns a row of their own. */
export function arrange({ workers, num_partitions }: Workers, perLine: number): { rows: Row[]; cells: Cell[]; height: number } {
  const rows: Row[] = [];
  const cells: Cell[] = [];
  const owned = new Set<number>();
  let y = 0;
  const place = (worker: Worker | null, partitions: [number, Cell["kind"]][]) => {
    rows.push({ key: worker?.identity ?? "", worker, y });
    partitions.forEach(([partition, kind], i) => {
      const key = kind === "standby" ? `${partition} of ${worker?.identity}` : String(partition);
      cells.push({ key, partition, kind, x: (i % perLine) * STEP, y: y + LABEL + Math.floor(i / perLine) * STEP });
    });
    y += LABEL + Math.max(1, Math.ceil(partitions.length / perLine)) * STEP + BETWEEN;
  };
  for (const worker of workers) {
    for (const partition of worker.partitions) owned.add(partition);
    const standbys = worker.standbys.filter((partition) => !worker.partitions.includes(partition));
    place(worker, [...tagged(worker.partitions, worker.is_reachable ? "owned" : "unreached"), ...tagged(standbys, "standby")]);
  }
  const moving = Array.from({ length: num_partitions }, (_, partition) => partition).filter((one) => !owned.has(one));
  if (moving.length) place(null, tagged(moving, "moving"));
  cells.sort((one, other) => one.key.localeCompare(other.key)); // the order of elements never changes, only their places
  return { rows, cells, height: y };
}

function tagged(partitions: readonly number[], kind: Cell["kind"]): [number, Cell["kind"]][] {
  return [...partitions].sort((one, other) => one - other).map((partition) => [partition, kind]);
}

function inWords(all: Workers, worker: Worker | null): string {
  if (!worker) return "Some partitions are moving; their plays wait.";
  const parts = [`${nameOf(worker, all.workers)}${worker.is_self ? ", this one" : ""}: ${plural(worker.partitions.length, "partition")} of ${all.num_partitions}`];
  if (worker.partitions.length) parts.push(`(${worker.partitions.join(", ")})`);
  if (worker.standbys.length) parts.push(`standby for ${worker.standbys.join(", ")}`);
  if (!worker.is_reachable) parts.push(worker.partitions.length ? "cannot be reached; their plays may wait" : "cannot be reached");
  return parts.join(" ");
}
