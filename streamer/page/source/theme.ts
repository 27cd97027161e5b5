/** Light or dark: as the system has it, until somebody chooses. */
import { computed, effect, signal } from "@preact/signals";

const KEY = "refrain.theme";
type Choice = "system" | "light" | "dark";

const system = matchMedia("(prefers-color-scheme: dark)");
const isSystemDark = signal(system.matches);
system.addEventListener("change", () => { isSystemDark.value = system.matches; });

export const choice = signal<Choice>((localStorage.getItem(KEY) as Choice | null) ?? "system");
export const theme = computed(() => (choice.value === "system" ? (isSystemDark.value ? "dark" : "light") : choice.value));

effect(() => {
  document.documentElement.dataset["theme"] = theme.value;
});

/** Switch to the other one; to what the system has, if that is it. */
export function switchTheme(): void {
  const other = theme.value === "dark" ? "light" : "dark";
  const isOfSystem = other === (isSystemDark.value ? "dark" : "light");
  choice.value = isOfSystem ? "system" : other;
  if (isOfSystem) localStorage.removeItem(KEY);
  else localStorage.setItem(KEY, other);
}

/** A design token, as plots and canvases need it; reading it inside an effect follows the theme. */
export function tokenOf(name: `--${string}`): string {
  void theme.value;
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
