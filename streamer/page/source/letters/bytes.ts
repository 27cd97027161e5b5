/** Bytes as people read them: JSON that is laid out, or a dump in hexadecimal; what would not be seen is written out. */
import { visible } from "../parts/user_id";

export type Shown = { readonly kind: "json" | "text" | "hex"; readonly text: string };

const BYTES_A_LINE = 16;

/** Show a key or a value as a worker sends it. */
export function show(value: string, encoding: "utf-8" | "base64"): Shown {
  if (encoding === "base64") return { kind: "hex", text: dump(fromBase64(value)) };
  const json = laidOut(value);
  return json === null ? { kind: "text", text: lines(value) } : { kind: "json", text: json };
}

/** A text whose lines stay apart, each with its end written out. */
function lines(text: string): string {
  return text.split("\n").map(visible).join(`${visible("\n")}\n`);
}

/** JSON over several lines; null if the text is none. Numbers stay as they were written, however many digits they have. */
export function laidOut(text: string): string | null {
  try {
    if (typeof JSON.parse(text) !== "object") return null;
  } catch {
    return null;
  }
  let [out, depth, before] = ["", 0, ""];
  const newLine = () => `\n${"  ".repeat(depth)}`;
  for (const [token] of text.matchAll(/"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g)) {
    if (token === "{" || token === "[") {
      depth++;
      out += token + newLine();
    } else if (token === "}" || token === "]") {
      depth--;
      out = before === "{" || before === "[" ? out.trimEnd() + token : out + newLine() + token;
    } else if (token === ",") out += token + newLine();
    else out += token === ":" ? ": " : visible(token);
    before = token;
  }
  return out;
}

/** Offset, bytes in hexadecimal and as ASCII, sixteen a line. */
export function dump(bytes: Uint8Array): string {
  const lines: string[] = [];
  for (let begin = 0; begin < bytes.length; begin += BYTES_A_LINE) {
    const line = [...bytes.subarray(begin, begin + BYTES_A_LINE)];
    const hex = line.map((byte) => byte.toString(16).padStart(2, "0"));
    const halves = [hex.slice(0, 8).join(" "), hex.slice(8).join(" ")].join("  ").padEnd(3 * BYTES_A_LINE);
    const ascii = line.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : "·")).join("");
    lines.push(`${begin.toString(16).padStart(4, "0")}  ${halves}  ${ascii}`);
  }
  return lines.join("\n");
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
}

/** The bytes of a text, for who wants to see them. */
export function bytesOf(value: string, encoding: "utf-8" | "base64"): Uint8Array {
  return encoding === "base64" ? fromBase64(value) : new TextEncoder().encode(value);
}
