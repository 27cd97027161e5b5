/** The page's colours as the map draws with them; they change with the theme. */
import { computed, signal } from "@preact/signals";
import { theme, tokenOf } from "../theme";
import { shades } from "./palette";
import type { Theme } from "./scene";

const isFontHere = signal(false);
void document.fonts.ready.then(() => { isFontHere.value = true; });

/** A new object whenever text must be measured again. */
export const mapTheme = computed<Theme>(() => {
  void isFontHere.value;
  return {
    ground: theme.value,
    paper: tokenOf("--map-ground"),
    ink: tokenOf("--ink"),
    horizons: { "short-term": tokenOf("--accent"), "long-term": tokenOf("--second") },
    shades: shades(theme.value),
    font: tokenOf("--text"),
  };
});
