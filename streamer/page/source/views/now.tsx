/** The view of the stream as it runs. */
import { Loading } from "../parts/state";

export function Now() {
  return <Loading what="the stream as it runs" />;
}
