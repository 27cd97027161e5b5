/** Lets the rows of a list travel to where they now are, unless somebody prefers no motion. */
import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const TRAVEL: KeyframeAnimationOptions = { duration: 480, easing: "cubic-bezier(0.2, 0.7, 0.2, 1)" };

/** Animate the children with `data-key` of a list from where their keys were when it was last drawn; focus goes along. */
export function useFlip(list: RefObject<HTMLElement | null>): void {
  const places = useRef(new Map<string, number>());
  useLayoutEffect(() => {
    const before = places.current;
    const after = new Map<string, number>();
    const rows = list.current?.querySelectorAll<HTMLElement>(":scope > [data-key]") ?? [];
    for (const row of rows) after.set(row.dataset["key"] ?? "", row.offsetTop);
    places.current = after;
    follow(rows, [...before.keys()], [...after.keys()]);
    if (STILL.matches || document.hidden || !before.size) return;
    queueMicrotask(() => travel(rows, before, after)); // once all lists are measured: it makes measures stale
  });
}

/** Rows are drawn again for other keys: the focus stays with the key that it was on. */
function follow(rows: ArrayLike<HTMLElement>, before: readonly string[], after: readonly string[]): void {
  const from = Array.prototype.findIndex.call(rows, (row: HTMLElement) => row.contains(document.activeElement));
  const to = after.indexOf(before[from] ?? "");
  if (from >= 0 && to >= 0 && to !== from) rows[to]?.querySelector("button")?.focus({ preventScroll: true });
}

function travel(rows: Iterable<HTMLElement>, before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): void {
  for (const row of rows) {
    const key = row.dataset["key"] ?? "";
    const from = before.get(key);
    const to = after.get(key) ?? 0;
    if (from === undefined) row.animate([{ opacity: 0 }, { opacity: 1 }], TRAVEL);
    else if (from !== to) row.animate([{ transform: `translateY(${from - to}px)` }, { transform: "none" }], TRAVEL);
  }
}
