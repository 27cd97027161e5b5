/** The time of day as a signal, for "3 s ago"; it ticks once a second and only while somebody looks. */
import { signal } from "@preact/signals";

export const nowMs = signal(Date.now());
setInterval(() => { if (!document.hidden) nowMs.value = Date.now(); }, 1000);
