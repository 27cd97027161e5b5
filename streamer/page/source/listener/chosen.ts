/** The listener that the views are about; kept in this tab, and in no address. */
import { signal } from "@preact/signals";
import { ask } from "../api";

const KEY = "refrain.listener";

export const chosen = signal(sessionStorage.getItem(KEY) ?? "");

export function choose(user: string): void {
  chosen.value = user;
  if (user) sessionStorage.setItem(KEY, user);
  else sessionStorage.removeItem(KEY);
}

/** Choose somebody who played a moment ago. Throws a QueryError if nobody did. */
export async function chooseAnybody(): Promise<void> {
  const { user_id } = await ask<{ user_id: string }>("listener/anybody", {});
  choose(user_id);
}
