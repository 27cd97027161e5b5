/** Who may do what: asks for a token where the worker wants one, and says which rights it gives. */
import { computed, signal } from "@preact/signals";
import { useRef, useState } from "preact/hooks";
import { ask, isRefused, keepToken, token } from "./api";
import type { Access } from "./contract";
import { choose } from "./listener/chosen";
import { forgetAll } from "./live";
import { forgetNames } from "./names";
import { Dialog } from "./parts/dialog";

const access = signal<Access | null>(null);
const isOpen = signal(false);

/** Whether this tab may promote, roll back, send again and discard. */
export const mayAct = computed(() => access.value?.rights.includes("act") ?? false);
export const needsToken = computed(() => access.value?.needs_token ?? false);
export const mayRead = computed(() => access.value?.rights.includes("read") ?? false);

export async function readAccess(): Promise<void> {
  try {
    access.value = await ask<Access>("access");
    isRefused.value = access.value.needs_token && !access.value.rights.includes("read");
  } catch {
    access.value = null; // the shell says that the worker does not answer
  }
}

export function openAccess(): void {
  isOpen.value = true;
}

/** Forget the token, and all that it gave to see. */
function signOut(): void {
  keepToken("");
  if (access.value) access.value = { ...access.value, rights: [] };
  choose("");
  forgetAll();
  forgetNames();
}

/** The dialog, where a token is asked for or somebody opened it. `onAccess` is called once rights have changed. */
export function AccessDialog({ onAccess }: { onAccess: () => void }) {
  const [value, setValue] = useState("");
  const [isWrong, setIsWrong] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  if (!isOpen.value && !isRefused.value) return null;

  const close = () => { isOpen.value = false; isRefused.value = false; };
  const submit = async (event: Event) => {
    event.preventDefault();
    keepToken((field.current?.value ?? value).trim()); // what is typed, not what was drawn a frame ago
    await readAccess();
    setIsWrong(!mayRead.value);
    if (!mayRead.value) return;
    setValue("");
    close();
    onAccess();
  };
  const forget = () => {
    signOut();
    openAccess();
    onAccess();
    field.current?.focus(); // its button goes, and would take the focus with it
  };
  return (
    <Dialog title="Access" onClose={close}>
      <form class="stack" onSubmit={(event) => void submit(event)}>
        <p>
          This worker answers whoever has a token: one to read, one to act as well (promote, roll back, send again,
          discard). The token stays in this tab, and goes with it.
        </p>
        {mayRead.value && <p class="rights">This tab may {mayAct.value ? "look and act" : "look"}.</p>}
        <label class="field">
          <span>Token</span>
          <input ref={field} type="password" autoComplete="off" spellcheck={false} value={value} autoFocus
            aria-invalid={isWrong} aria-describedby="access-note" onInput={(event) => setValue(event.currentTarget.value)} />
        </label>
        <p id="access-note" class={isWrong ? "wrong" : "note"} aria-live="polite">
          {isWrong ? "The worker does not know this token." : "REFRAIN_READ_TOKEN or REFRAIN_ACT_TOKEN of the worker."}
        </p>
        <div class="row">
          <button type="submit" class="primary" disabled={!value.trim()}>Use it</button>
          {token.value && <button type="button" onClick={forget}>Forget the token</button>}
        </div>
      </form>
    </Dialog>
  );
}
