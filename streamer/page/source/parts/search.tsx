/** A field that finds a track by title, artist or id, and gives it to whoever asks. */
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { ask } from "../api";
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
  const isOpen = text.trim() !== "" && found !== null;

  const pick = (track: Track) => {
    onPick(track.track_id);
    setText("");
    setActive(0);
  };
  const onKey = (event: KeyboardEvent) => {
    const count = found?.length ?? 0;
    if (event.key === "Escape" && text) { setText(""); event.stopPropagation(); }
    if (!isOpen || !count) return;
    if (event.key === "ArrowDown") setActive((active + 1) % count);
    else if (event.key === "ArrowUp") setActive((active + count - 1) % count);
    else if (event.key === "Enter") { const track = found?.[active]; if (track) pick(track); }
    else return;
    event.preventDefault();
  };
  return (
    <div class="search">
      <input ref={field} type="text" role="combobox" aria-label={label} placeholder={placeholder} autoComplete="off" spellcheck={false}
        aria-expanded={isOpen} aria-controls={`${id}-found`} aria-autocomplete="list" aria-activedescendant={isOpen && found?.length ? `${id}-${active}` : undefined}
        value={text} onInput={(event) => { setText(event.currentTarget.value); setActive(0); }} onKeyDown={onKey}
        onBlur={() => setTimeout(() => { if (document.activeElement !== field.current) setText(""); }, 150)} />
      <ul id={`${id}-found`} role="listbox" aria-label="Tracks" hidden={!isOpen}>
        {found?.map((track, i) => (
          <li key={track.track_id} id={`${id}-${i}`} role="option" aria-selected={i === active} class={i === active ? "active" : ""}
            onMouseDown={(event) => { event.preventDefault(); pick(track); }} onMouseEnter={() => setActive(i)}>
            <TrackName id={track.track_id} />
          </li>
        ))}
      </ul>
      {isOpen && found?.length === 0 && <p class="note none" role="status">No track begins with or contains that.</p>}
    </div>
  );
}

/** What a text finds, a moment after it was typed; null until an answer is there. */
function useFound(text: string): readonly Track[] | null {
  const [found, setFound] = useState<{ text: string; tracks: readonly Track[] } | null>(null);
  useEffect(() => {
    if (!text) { setFound(null); return undefined; }
    const stop = new AbortController();
    const timer = setTimeout(() => {
      ask<Track[]>("tracks/search", { text, limit: SHOWN }, stop.signal)
        .then((tracks) => { keepTracks(tracks); setFound({ text, tracks }); })
        .catch(() => { if (!stop.signal.aborted) setFound({ text, tracks: [] }); });
    }, TYPING_MS);
    return () => { clearTimeout(timer); stop.abort(); };
  }, [text]);
  return found?.tracks ?? null;
}
