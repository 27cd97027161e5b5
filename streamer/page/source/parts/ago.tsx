/** A moment, as how long ago it was; the title has the date. */
import { ago, day } from "../format";
import { nowMs } from "./clock";

export function Ago({ ms }: { ms: number }) {
  return <time dateTime={new Date(ms).toISOString()} title={day(ms)}>{ago(ms, nowMs.value)}</time>;
}
