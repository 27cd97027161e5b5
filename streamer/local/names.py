"""Makes up names for the music of a simulated world, so that the page shows more than ids.

The same music gets the same names, and drawing them changes nothing else in the world. Whoever sounds like somebody
real does so by chance.
"""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

from streamer.local.words import COMMON, STYLES, Style
from streamer.local.world import Music, Rows
from streamer.wire.catalogue import TrackRecord

_SEED: Final = 1
_ATTEMPTS: Final = 12  # to find a name that is not taken; then two share it, as people do
_FIRST_PLAY: Final = datetime(2001, 1, 1, tzinfo=UTC)  # before which all albums came out but those that come out later


def made_up_records(music: Music) -> Iterator[tuple[str, TrackRecord]]:
    """Yield the records of all tracks by id, in the order of their rows, in memory that grows with the artists."""
    rng = random.Random(_SEED)  # noqa: S311  names are no secret
    writers = [_Writer(rng, style) for style in STYLES]
    for artist in music.artists:
        writer = writers[music.genre_of[artist.start] % len(writers)]
        yield from writer.discography(music, artist)


class _Writer:
    """Writes the names of a genre.

    Args:
        rng: the only source of randomness.
        style: of the genre.
    """

    def __init__(self, rng: random.Random, style: Style) -> None:
        self._rng = rng
        self._style = style
        self._slots = {**COMMON, "adjective": style.adjectives, "noun": style.nouns, "things": style.things}
        self._artists: set[str] = set()

    def __getitem__(self, slot: str) -> str:
        """Draw a word for a slot of a template."""
        return self._rng.choice(self._slots[slot])

    def discography(self, music: Music, artist: Rows) -> Iterator[tuple[str, TrackRecord]]:
        """Yield the records of an artist's tracks, album by album."""
        name = self._draw(self._style.artists, self._artists)
        tags = (self._style.tag, self._rng.choice(self._style.schools))
        released = self._draw_debut()
        albums = set[str]()
        for number in range(music.album_of[artist.start], music.album_of[artist.stop - 1] + 1):
            album, titles = self._draw(self._style.titles, albums), set[str]()
            date = self._date(music.out_from_ms[number], released).date().isoformat()
            for row in music.albums[number]:
                title = self._draw(self._style.titles, titles)
                yield music.track_ids[row], TrackRecord(title, (name,), album, date, music.durations_ms[row], tags=tags)
            released += timedelta(days=self._rng.randrange(250, 1500))

    def _draw(self, templates: tuple[str, ...], taken: set[str]) -> str:
        """Fill a template so that the name is not taken yet, and take it."""
        for _ in range(_ATTEMPTS):
            if (name := self._rng.choice(templates).format_map(self)) not in taken:
                break
        taken.add(name)
        return name

    def _draw_debut(self) -> datetime:
        return datetime(self._rng.choice(self._style.years), 1, 1, tzinfo=UTC) + timedelta(self._rng.randrange(365))

    def _date(self, out_from_ms: float, released: datetime) -> datetime:
        """Return when an album comes out: as the world says, or else before anybody plays it."""
        if out_from_ms > 0:
            return datetime.fromtimestamp(out_from_ms / 1000, UTC)
        return min(released, _FIRST_PLAY - timedelta(days=1 + self._rng.randrange(300)))
