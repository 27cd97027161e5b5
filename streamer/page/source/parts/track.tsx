/** A track by its title and artists, or by its id where the catalogue has no title. */
import { namesOf, trackOf } from "../names";

export function TrackName({ id }: { id: string }) {
  const { title, artists, isNamed } = namesOf(id);
  const isWithdrawn = trackOf(id)?.is_withdrawn ?? false;
  return (
    <span class={`track ${isNamed ? "" : "unnamed"}`} title={isNamed ? `${title} · ${artists} (${id})` : id}>
      <span class="title">{title}</span>
      {artists && <span class="artists">{artists}</span>}
      {isWithdrawn && <span class="badge">withdrawn</span>}
    </span>
  );
}
