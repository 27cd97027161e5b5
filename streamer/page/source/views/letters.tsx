/** The view of dead letters. */
import { Loading } from "../parts/state";

export function Letters() {
  return <Loading what="dead letters" />;
}
