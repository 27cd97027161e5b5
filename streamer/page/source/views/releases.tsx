/** The view of releases. */
import { Loading } from "../parts/state";

export function Releases() {
  return <Loading what="releases" />;
}
