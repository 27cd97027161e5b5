/** Toasts: what just happened, in a corner, read aloud by screen readers. */
import { signal } from "@preact/signals";

interface Toast {
  id: number;
  text: string;
  kind: "done" | "failed";
}

const SHOWN_MS = 6_000;
const toasts = signal<readonly Toast[]>([]);
let count = 0;

export function toast(text: string, kind: Toast["kind"] = "done"): void {
  const id = ++count;
  toasts.value = [...toasts.value, { id, text, kind }].slice(-4);
  setTimeout(() => { toasts.value = toasts.value.filter((one) => one.id !== id); }, SHOWN_MS);
}

export function Toasts() {
  return (
    <div class="toasts" role="status" aria-live="polite">
      {toasts.value.map(({ id, text, kind }) => <p key={id} class={`toast ${kind}`}>{text}</p>)}
    </div>
  );
}
