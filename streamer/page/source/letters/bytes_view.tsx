/** A key or a value of a letter: laid out if it is JSON, else as text or a dump; its bytes whenever somebody asks. */
import { useState } from "preact/hooks";
import { type Shown, bytesOf, dump, show } from "./bytes";

const KINDS: Record<Shown["kind"], string> = { json: "JSON", text: "text", hex: "bytes" };

export function BytesView({ name, value, encoding }: { name: string; value: string | null; encoding: "utf-8" | "base64" }) {
  const [isDumped, setIsDumped] = useState(false);
  const shown = value === null ? null : show(value, encoding);
  return (
    <section class="bytes" aria-label={name}>
      <header>
        <h3>{name}</h3>
        {shown !== null && <span class="note">{isDumped ? "bytes" : KINDS[shown.kind]}</span>}
        {shown !== null && shown.kind !== "hex" && value !== "" && (
          <button type="button" class="quiet" aria-pressed={isDumped} onClick={() => setIsDumped(!isDumped)}>{isDumped ? "As text" : "As bytes"}</button>
        )}
      </header>
      {shown === null ? <p class="note">null</p> : value === "" ? <p class="note">empty</p>
        : <pre tabIndex={0} class={isDumped || shown.kind === "hex" ? "hex" : ""}>{isDumped ? dump(bytesOf(value!, encoding)) : shown.text}</pre>}
    </section>
  );
}
