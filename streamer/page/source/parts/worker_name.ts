/** What a worker is called: as its instance id says, or where Kafka drew a long name, by its address. */
import type { Worker } from "../contract";

/** A client id, and what Kafka drew to tell its members apart. */
const DRAWN = /-([0-9a-f]{8})(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The name of one of all workers, short and its own. */
export function nameOf(worker: Worker, all: readonly Worker[]): string {
  const drawn = DRAWN.exec(worker.identity)?.[1];
  if (drawn === undefined) return worker.identity;
  const isAlone = worker.url !== null && all.every((one) => one === worker || one.url !== worker.url);
  return isAlone ? new URL(worker.url!).host : `worker ${drawn}`;
}
