/** The view of one listener. */
import { Loading } from "../parts/state";

export function Listener() {
  return <Loading what="one listener" />;
}
