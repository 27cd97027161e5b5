/** A field that finds a track by title, artist or id, and gives it to whoever asks. */
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { askPatiently } from "../api";
import type { Track } from "../contract";
import { keepTracks } from "../names";
import { TrackName } from "./track";

const SHOWN = 8;
const TYPING_MS = 90;

export function TrackSearch({ label, placeholder, onPick }: { label: string; placeholder: string; onPick: (track: string) => void }) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const [text, setText] = useState("");
  const found = useFound(text.trim());
  const [active, setActive] = useState(0);
  const entered = useRef(""); // what Enter was pressed after, while it is being looked for
  const isOpen = text.trim() !== "" && found !== null;
  const tracks = found?.tracks ?? [];

  const pick = (track: Track) => {
    onPick(track.track_id);
    setText("");
    setActive(0);
  };
  useEffect(() => {
    setActive(0);
    if (found === null || found.text !== entered.current) return;
    entered.current = "";
    if (found.tracks?.[0]) pick(found.tracks[0]);
  }, [found]);
  const enter = (typed: string) => {
    if (found?.text !== typed || found.tracks === null) entered.current = typed;
    else if (tracks[active]) pick(tracks[active]);
  };
  const onKey = (event: KeyboardEvent) => {
    const count = tracks.length;
    const typed = field.current?.value.trim() ?? ""; // not what was drawn a frame ago
    if (event.key === "Escape" && text) { setText(""); event.stopPropagation(); }
    if (event.key === "Enter" && typed) { enter(typed); event.preventDefault(); }
    if (!isOpen || !count) return;
    if (event.key === "ArrowDown") setActive((active + 1) % count);
    else if (event.key === "ArrowUp") setActive((active + count - 1) % count);
    else return;
    event.preventDefault();
  };
  return (
    <div class="search">
      <input ref={field} type="text" role="combobox" aria-label={label} placeholder={placeholder} autoComplete="off" spellcheck={false}
        aria-expanded={isOpen} aria-controls={`${id}-found`} aria-autocomplete="list" aria-activedescendant={isOpen && tracks.length ? `${id}-${active}` : undefined}
        value={text} onInput={(event) => { setText(event.currentTarget.value); setActive(0); entered.current = ""; }} onKeyDown={onKey}
        onBlur={() => setTimeout(() => { if (document.activeElement !== field.current) setText(""); }, 150)} />
      <ul id={`${id}-found`} role="listbox" aria-label="Tracks" hidden={!isOpen}>
        {tracks.map((track, i) => (
          <li key={track.track_id} id={`${id}-${i}`} role="option" aria-selected={i === active} class={i === active ? "active" : ""}
            onMouseDown={(event) => { event.preventDefault(); pick(track); }} onMouseEnter={() => setActive(i)}>
            <TrackName id={track.track_id} />
          </li>
        ))}
      </ul>
      {isOpen && !tracks.length && <p class="note none" role="status">{found.problem ?? "No track begins with or contains that."}</p>}
    </div>
  );
}

interface Found {
  readonly text: string;
  /** Null while a worker does not say. */
  readonly tracks: readonly Track[] | null;
  /** Why it does not. */
  readonly problem: string | null;
}

/** What a text finds, a moment after it was typed; null until an answer is there. */
function useFound(text: string): Found | null {
  const [found, setFound] = useState<Found | null>(null);
  useEffect(() => {
    if (!text) { setFound(null); return undefined; }
    const stop = new AbortController();
    const fail = (error: unknown) => setFound({ text, tracks: null, problem: error instanceof Error ? error.message : String(error) });
    const timer = setTimeout(() => void look(), TYPING_MS);
    return () => { clearTimeout(timer); stop.abort(); };

    async function look(): Promise<void> {
      const tracks = await askPatiently<Track[]>("tracks/search", { text, limit: SHOWN }, stop.signal, fail);
      if (tracks === null) return;
      keepTracks(tracks);
      setFound({ text, tracks, problem: null });
    }
  }, [text]);
  return found;
}
