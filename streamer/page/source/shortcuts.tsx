/** Keys that work everywhere, and the list of them that `?` shows. */
import { signal } from "@preact/signals";
import { useLayoutEffect } from "preact/hooks";
import { Dialog } from "./parts/dialog";
import { VIEWS, go } from "./router";
import { switchTheme } from "./theme";

export const isHelpOpen = signal(false);

export const KEYS: readonly (readonly [string, string])[] = [
  ["1 … 5", "the views, from left to right"],
  ["/", "to the field of the view: a listener, a track"],
  ["a", "somebody who plays right now"],
  ["t", "light or dark"],
  ["?", "these keys"],
  ["← →", "along plots, plays and tabs"],
  ["Delete", "what if this play had not been"],
  ["Esc", "close, or end what if"],
];

/** Keys of the view that is shown, by `event.key`; a view sets it while it is there. */
export const viewKeys = signal<Readonly<Record<string, () => void>>>({});

/** Give the view its own keys as long as it is there: they are heard before it is seen. */
export function useKeys(keys: Record<string, () => void>): void {
  useLayoutEffect(() => {
    viewKeys.value = keys;
    return () => { viewKeys.value = {}; };
  });
}

function onKey(event: KeyboardEvent): void {
  if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
  const target = event.target as HTMLElement;
  if (target.closest("input, textarea, select, dialog")) return;
  const view = VIEWS[Number(event.key) - 1];
  const action =
    viewKeys.value[event.key] ??
    (view ? () => go(view) : { "?": () => { isHelpOpen.value = true; }, t: switchTheme }[event.key]);
  if (!action) return;
  event.preventDefault();
  action();
}

export function Shortcuts() {
  useLayoutEffect(() => {
    addEventListener("keydown", onKey);
    return () => removeEventListener("keydown", onKey);
  }, []);
  if (!isHelpOpen.value) return null;
  return (
    <Dialog title="Keys" onClose={() => { isHelpOpen.value = false; }}>
      <dl class="keys">{KEYS.map(([key, what]) => <div key={key}><dt><kbd>{key}</kbd></dt><dd>{what}</dd></div>)}</dl>
    </Dialog>
  );
}
