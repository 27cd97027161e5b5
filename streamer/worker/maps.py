"""The map of the release that answers: its picture, encoded once per release, and what its regions are called."""

import functools
import gzip
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.release import Release
from models.serving.track_map import TrackMap
from streamer.errors import NoReleaseError
from streamer.wire.catalogue import TrackRecord
from streamer.wire.picture import encode_picture
from streamer.wire.views_map import MapRegion
from streamer.worker.sideline import Sideline
from streamer.worker.tracks import Named
from streamer.worker.wandering import no_map

_NAMED: Final = 50  # tracks of a region that are asked for a label: 600 names take some 20 ms
_LEAST: Final = 2  # of them must have it
_CELLS: Final = 24  # along each side of the map, to look for where most tracks of a region are
_LEVEL: Final = 1  # of gzip; higher ones take six times as long, and save one percent


@dataclass(frozen=True, slots=True)
class Picture:
    """A map, ready to be sent.

    Attributes:
        release: its id.
        plain: as `streamer.wire.picture` says.
        zipped: the same, by gzip.
    """

    release: str
    plain: bytes
    zipped: bytes


class _Latest:
    """The picture of one release, which is kept until another one answers; used by the sideline alone."""

    def __init__(self) -> None:
        self._latest: tuple[Release, Picture] | None = None

    def of(self, release: Release, track_map: TrackMap) -> Picture:
        if self._latest is None or self._latest[0] is not release:
            plain = encode_picture(track_map.places, track_map.groups, track_map.weights)
            self._latest = release, Picture(release.release_id, plain, gzip.compress(plain, _LEVEL, mtime=0))
        return self._latest[1]


@dataclass(frozen=True, slots=True)
class Maps:
    """Answers questions about the map.

    Attributes:
        champion: the release that answers; None before the first.
        names: what the catalogue says.
        sideline: computes.
    """

    champion: Callable[[], Release | None]
    names: Named
    sideline: Sideline
    _latest: _Latest = field(default_factory=_Latest)

    async def picture(self) -> Picture:
        """Return the picture of the release that answers.

        Raises:
            BusyError: too many questions wait.
            NoReleaseError: there is none.
            QueryError: it has no map.
        """
        return await self.sideline.run(functools.partial(self._latest.of, *self._mapped()))

    async def regions(self) -> tuple[MapRegion, ...]:
        """Return the groups of the map that have tracks, in the order of their numbers.

        Raises:
            BusyError, NoReleaseError, QueryError: as above.
        """
        return await self.sideline.run(functools.partial(self._regions, *self._mapped()))

    def _mapped(self) -> tuple[Release, TrackMap]:
        if (release := self.champion()) is None:
            raise NoReleaseError("there is no map before the first release; the trainer makes it, see /readyz")
        if release.track_map is None:
            raise no_map(release)
        return release, release.track_map

    def _regions(self, release: Release, track_map: TrackMap) -> tuple[MapRegion, ...]:
        is_placed = ~np.isnan(track_map.places[:, 0])
        members = {
            int(group): np.flatnonzero(is_placed & (track_map.groups == group))
            for group in np.unique(track_map.groups[is_placed])
        }
        records = [self._records(release, track_map, tracks) for tracks in members.values()]
        labels = labels_of([_tags(each) for each in records])
        artists = labels_of([_artists(each) for each in records])
        regions = []
        for (group, tracks), tag, artist in zip(members.items(), labels, artists, strict=True):
            x, y = densest(track_map.places[tracks])
            regions.append(MapRegion(group, x, y, tag or artist, len(tracks)))
        return tuple(regions)

    def _records(self, release: Release, track_map: TrackMap, tracks: NDArray[np.int64]) -> list[TrackRecord]:
        """Return what is known of the most played of some tracks."""
        most_played = tracks[np.argsort(-track_map.weights[tracks].astype(np.int64), kind="stable")[:_NAMED]]
        namings = self.names.look_up(release.catalogue.keys[most_played])
        return [naming.record for naming in namings if naming is not None and naming.record is not None]


def densest(places: NDArray[np.float32]) -> tuple[float, float]:
    """Return the middle of the tracks where most of them are: places float32 (n, 2), n above 0."""
    cells = np.clip(((places + 1) / 2 * _CELLS).astype(np.int64), 0, _CELLS - 1)
    nums = np.zeros((_CELLS + 2, _CELLS + 2), np.int64)
    np.add.at(nums, (cells[:, 0] + 1, cells[:, 1] + 1), 1)
    around = np.sum([np.roll(nums, (across, up), (0, 1)) for across in (-1, 0, 1) for up in (-1, 0, 1)], axis=0)
    best = np.array(np.unravel_index(np.argmax(around[1:-1, 1:-1]), (_CELLS, _CELLS)))
    x, y = places[(np.abs(cells - best) <= 1).all(axis=1)].mean(axis=0, dtype=np.float64).tolist()
    return x, y


def labels_of(words: Sequence[Sequence[str]]) -> list[str | None]:
    """Choose for each group one of the words of its tracks: the one it has most more of than all groups on average."""
    counts = [Counter(of_group) for of_group in words]
    overall = sum(counts, Counter[str]())
    total = overall.total()
    labels: list[str | None] = []
    for of_group in counts:
        share = of_group.total() / max(total, 1)
        surplus = {word: count - share * overall[word] for word, count in of_group.items() if count >= _LEAST}
        labels.append(min(surplus, key=lambda word: (-surplus[word], word)) if surplus else None)
    return labels


def _tags(records: Sequence[TrackRecord]) -> list[str]:
    return [tag for record in records for tag in record.tags]


def _artists(records: Sequence[TrackRecord]) -> list[str]:
    return [record.artists[0] for record in records if record.artists]
