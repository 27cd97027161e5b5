/** The id of a listener: as it is shown, whatever characters are in it, and as it is typed. */

/** As many as a play may have: MAX_ID_BYTES of the topic. */
const MOST_BYTES = 256;

/** Characters that show nothing, or change how their neighbours are shown. */
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/gu;

/** A text with its control and format characters written out. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (letter) => `\\u{${letter.codePointAt(0)!.toString(16)}}`);
}

/** Why no listener has this id; null: one may. */
export function problemOf(id: string): string | null {
  const size = new TextEncoder().encode(id).length;
  return size > MOST_BYTES ? `A user id has at most ${MOST_BYTES} bytes; this one has ${size}.` : null;
}

/** The id that is typed in a field; null if there is none, or none that may be, which the field then says. */
export function typedIn(field: HTMLInputElement | null): string | null {
  const id = field?.value.trim();
  if (!field || !id) return null;
  field.setCustomValidity(problemOf(id) ?? "");
  return field.reportValidity() ? id : null;
}

export function UserId({ id }: { id: string }) {
  return <bdi class="user-id" title={visible(id)}>{visible(id)}</bdi>;
}
