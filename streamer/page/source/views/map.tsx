/** The view of the map of taste. */
import { Loading } from "../parts/state";

export function MapOfTaste() {
  return <Loading what="the map of taste" />;
}
