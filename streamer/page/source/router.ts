/** Which view is shown: the hash of the address. No user id is ever in it. */
import { computed, signal } from "@preact/signals";

export const VIEWS = ["now", "listener", "map", "releases", "letters"] as const;
export type ViewName = (typeof VIEWS)[number];

const hash = signal(location.hash);
addEventListener("hashchange", () => { hash.value = location.hash; });

/** The view, then what of it: `#/letters/0/12` is the view `letters` with `["0", "12"]`. */
export const route = computed<{ view: ViewName; rest: string[] }>(() => {
  const [view, ...rest] = hash.value.replace(/^#\/?/, "").split("/");
  return { view: VIEWS.find((name) => name === view) ?? "now", rest: rest.filter(Boolean) };
});

export function go(view: ViewName, ...rest: string[]): void {
  location.hash = `#/${[view, ...rest].join("/")}`;
}
