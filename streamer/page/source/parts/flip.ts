/** Lets the rows of a list travel to where they now are, unless somebody prefers no motion. */
import type { RefObject } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const TRAVEL: KeyframeAnimationOptions = { duration: 480, easing: "cubic-bezier(0.2, 0.7, 0.2, 1)" };

/** Animate the children with `data-key` of a list from where they were when it was last drawn. */
export function useFlip(list: RefObject<HTMLElement | null>): void {
  const places = useRef(new Map<string, number>());
  useLayoutEffect(() => {
    const before = places.current;
    const after = new Map<string, number>();
    const rows = list.current?.querySelectorAll<HTMLElement>(":scope > [data-key]") ?? [];
    for (const row of rows) after.set(row.dataset["key"] ?? "", row.offsetTop);
    places.current = after;
    if (STILL.matches || document.hidden || !before.size) return;
    queueMicrotask(() => travel(rows, before, after)); // once all lists are measured: it makes measures stale
  });
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
