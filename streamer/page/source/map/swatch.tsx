/** The colour of a region. */
import { theme } from "../theme";
import { shade } from "./palette";

export function Swatch({ group }: { group: number }) {
  return (
    <svg class="swatch" viewBox="0 0 10 10" width="10" height="10" aria-hidden="true">
      <circle cx="5" cy="5" r="4.5" fill={shade(group, theme.value)} />
    </svg>
  );
}
