"""Listening: what a worker says of a listener when somebody asks: state, lists and their reasons, and what if.

States are read on the event loop, as a batch reads them: meanwhile no partition is taken away and no store closed. All
else is computed on the sideline, on a copy: nothing here can write.
"""

import asyncio
import contextlib
import functools
import random
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Final
from weakref import WeakValueDictionary

import msgspec
import numpy as np
from numpy.typing import NDArray

from models.release import Release
from streamer.errors import ElsewhereError, NoReleaseError
from streamer.faust.table import ListenerTable
from streamer.wire.changelog import listener_key
from streamer.wire.plays import PlayColumns
from streamer.wire.state import decode
from streamer.wire.views import ImaginedPlay, ListenerView, WhatIf
from streamer.wire.views_map import TastePath
from streamer.worker.narrowing import Narrowing
from streamer.worker.showing import show_counts, show_explained, show_lineage, show_lists, show_plays
from streamer.worker.sideline import Sideline
from streamer.worker.wandering import MapReaders, wander
from streamer.worker.what_if import Ranking, imagine, read_added

#: Questions that are answered or wait; more are refused.
MAX_QUESTIONS: Final = 8

#: Listeners of the latest batch who are looked for before nobody is found: they may have been forgotten, or moved.
_MAX_PICKS: Final = 8


@dataclass(frozen=True, slots=True, eq=False)
class Glance:
    """What a view of a listener is made of.

    Attributes:
        user: the user id.
        partition: where they live.
        record: their state; None if they have none.
        release: the one that answers; None before the first.
        withdrawn: tracks that no list may hold.
        reasons: whether each track says why it is there; finding that out is most of the work of a view.
    """

    user: str
    partition: int
    record: bytes | None
    release: Release | None
    withdrawn: NDArray[np.uint64]
    reasons: bool

    def is_as(self, other: "Glance | None") -> bool:
        """Whether a view of another glance shows the same."""
        return (
            other is not None
            and self.reasons == other.reasons
            and self.record == other.record
            and self.release is other.release
            and self.withdrawn is other.withdrawn
        )


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Shown:
    """A view as JSON, which all who follow the same listener share.

    Attributes:
        glance: what it is made of.
        json: is computed once.
    """

    glance: Glance
    json: asyncio.Task[msgspec.Raw]

    @property
    def is_lost(self) -> bool:
        """Whether it could not be computed."""
        return self.json.done() and (self.json.cancelled() or self.json.exception() is not None)


@dataclass(frozen=True, slots=True)
class Listening:
    """Answers questions about listeners.

    Attributes:
        table: the states.
        champion: the release that answers; None before the first.
        withdrawn: uint64 (W,), keys of tracks that no list may hold; another array once they change.
        sizes: length of the lists, by horizon.
        heard_masked: how many of the latest plays are left out of the lists, by horizon.
        homes: the partitions in which a user id may live.
        answered: the partitions whose plays are answered here now.
        latest: who played a moment ago.
        clock: seconds since the epoch.
        chance: picks somebody.
        sideline: computes.
        narrowing: leaves out withdrawn tracks, as the engine does.
        map_readers: find a taste on the map.
        shown: the latest views of those who are followed, by user id and whether they say why, as long as somebody
            holds them.
    """

    table: ListenerTable
    champion: Callable[[], Release | None]
    withdrawn: Callable[[], NDArray[np.uint64]]
    sizes: tuple[int, int]
    heard_masked: tuple[int, int]
    homes: Callable[[bytes], Collection[int]]
    answered: Callable[[], Collection[int]]
    latest: Callable[[], Sequence[bytes]] = tuple
    clock: Callable[[], float] = time.time
    chance: random.Random = field(default_factory=random.Random)
    sideline: Sideline = field(default_factory=lambda: Sideline(MAX_QUESTIONS))
    narrowing: Narrowing = field(default_factory=Narrowing)
    map_readers: MapReaders = field(default_factory=MapReaders)
    shown: WeakValueDictionary[tuple[str, bool], Shown] = field(default_factory=WeakValueDictionary)

    async def look(self, user: str, looked_in: Collection[int] = (), *, reasons: bool = True) -> ListenerView:
        """Return a listener's state, and both lists as they are.

        Args:
            user: the user id.
            looked_in: partitions in which others have looked for them in vain.
            reasons: whether each track says why it is there.

        Raises:
            ElsewhereError: the listener's partition is not here, or not yet.
            BusyError: too many questions wait.
        """
        glance = self.glance(user, looked_in, reasons=reasons)
        return await self.sideline.run(functools.partial(self._view, glance))

    def glance(self, user: str, looked_in: Collection[int] = (), *, reasons: bool = True) -> Glance:
        """Read what a view is made of; takes microseconds.

        Raises:
            ElsewhereError: the listener's partition is not here, or not yet.
        """
        return Glance(user, *self._read(user, looked_in), self.champion(), self.withdrawn(), reasons)

    def show(self, glance: Glance) -> Shown:
        """Compute a view, unless somebody else who follows the listener has it computed already."""
        key = (glance.user, glance.reasons)
        shown = self.shown.get(key)
        if shown is None or shown.is_lost or not glance.is_as(shown.glance):
            computing = self.sideline.run(functools.partial(self._encoded_view, glance))
            shown = self.shown[key] = Shown(glance, asyncio.ensure_future(computing))
        return shown

    def follow(self, user: str, looked_in: Collection[int] = (), *, reasons: bool = True) -> "Follower":
        """Follow a listener."""
        return Follower(self, user, looked_in, reasons=reasons)

    def anybody(self) -> str | None:
        """Return the id of somebody who played a moment ago, and lives here; None if nobody does."""
        users = self.latest()
        for user in self.chance.sample(users, min(len(users), _MAX_PICKS)):
            with contextlib.suppress(ElsewhereError):
                if self._read(user.decode(), ())[1] is not None:
                    return user.decode()
        return None

    async def what_if(
        self,
        user: str,
        added: Sequence[ImaginedPlay],
        removed: Collection[int],
        looked_in: Collection[int] = (),
    ) -> WhatIf:
        """Return both lists as they are, and as they would be with plays added and remembered ones removed.

        Args:
            user: the user id.
            added: oldest first; they come after the latest play.
            removed: numbers of remembered plays, see `RememberedPlay`.
            looked_in: as in `look`.

        Raises:
            ElsewhereError: the listener's partition is not here, or not yet.
            BusyError: too many questions wait.
            ImaginedError: an added play would be refused, or a removed one is not remembered.
            NoReleaseError: no release answers.
        """
        _, record = self._read(user, looked_in)
        if (release := self.champion()) is None:
            raise NoReleaseError("there are no lists before the first release; the trainer makes it, see /readyz")
        plays = read_added(user, added, int(self.clock() * 1000))
        return await self.sideline.run(
            functools.partial(self._imagine, user, record, release, plays, frozenset(removed))
        )

    async def path(self, user: str, looked_in: Collection[int] = ()) -> TastePath:
        """Return where a listener's taste was on the map after each remembered play.

        Args:
            user: the user id.
            looked_in: as in `look`.

        Raises:
            ElsewhereError: the listener's partition is not here, or not yet.
            BusyError: too many questions wait.
            NoReleaseError: no release answers.
            QueryError: the one that does has no map.
        """
        _, record = self._read(user, looked_in)
        if (release := self.champion()) is None:
            raise NoReleaseError("there is no map before the first release; the trainer makes it, see /readyz")
        return await self.sideline.run(functools.partial(self._path, user, record, release))

    def close(self) -> None:
        """Answer nothing more."""
        self.sideline.close()

    def _read(self, user: str, looked_in: Collection[int]) -> tuple[int, bytes | None]:
        """Return where a listener lives and their state; None if they have none, and live nowhere else."""
        key, homes, here, in_vain = user.encode(), self.homes(user.encode()), self.answered(), set(looked_in)
        for partition in homes:
            if partition not in here or partition in in_vain:
                continue
            try:
                (record,) = self.table.store.multi_get(partition, [listener_key(key)])
            except LookupError:
                continue
            if record is not None:
                return partition, record
            in_vain.add(partition)
        if missing := [partition for partition in homes if partition not in in_vain]:
            raise ElsewhereError(missing[0], in_vain)
        return next(iter(homes)), None

    def _view(self, glance: Glance) -> ListenerView:
        record, release = glance.record, glance.release
        catalogue = release.catalogue if release else None
        states = decode([record], release.network.config.hidden_size if release else 0)
        named = (release.release_id, release.key) if release else None
        ranking = self._ranking(release, glance.withdrawn) if release else None
        answered = ranking.answer(states) if ranking else None
        show = show_explained if glance.reasons else show_lists
        return ListenerView(
            user_id=glance.user,
            release=release.release_id if release else None,
            lineage=None if record is None else show_lineage(states, glance.partition, len(record), named),
            is_rebuilt=bool(release and record is not None and states.release_key[0] != release.key),
            plays=show_plays(states, catalogue),
            counts=show_counts(states, catalogue),
            lists=show(ranking, answered) if ranking else (),
        )

    def _encoded_view(self, glance: Glance) -> msgspec.Raw:
        return msgspec.Raw(msgspec.json.encode(self._view(glance)))

    def _imagine(
        self, user: str, record: bytes | None, release: Release, added: PlayColumns | None, removed: Collection[int]
    ) -> WhatIf:
        ranking = self._ranking(release, self.withdrawn())
        imagined = imagine(ranking, record, added, removed)
        return WhatIf(
            user_id=user,
            release=release.release_id,
            is_rebuilt=imagined.is_rebuilt,
            num_covered=imagined.after.num_covered if imagined.after else 0,
            before=show_lists(ranking, imagined.before),
            after=show_lists(ranking, imagined.after),
        )

    def _path(self, user: str, record: bytes | None, release: Release) -> TastePath:
        states = decode([record], release.network.config.hidden_size)
        return wander(user, states, release, self.map_readers.of(release))

    def _ranking(self, release: Release, withdrawn: NDArray[np.uint64]) -> Ranking:
        """Rank over the release without withdrawn tracks, as the engine does."""
        return Ranking(self.narrowing.without(release, withdrawn), self.sizes, self.heard_masked)


class Follower:
    """Shows a listener again when something has changed.

    Args:
        listening: who computes the views.
        user: the user id.
        looked_in: partitions in which others have looked for them in vain.
        reasons: whether each track says why it is there.
    """

    def __init__(self, listening: Listening, user: str, looked_in: Collection[int], *, reasons: bool) -> None:
        self._listening, self._user, self._looked_in, self._reasons = listening, user, looked_in, reasons
        self._shown: Shown | None = None

    async def changed(self) -> msgspec.Raw | None:
        """Return the listener's view as JSON; None if it is the one that was returned last.

        Raises:
            ElsewhereError: the listener's partition is not here, or not yet.
            BusyError: too many questions wait.
        """
        glance = self._listening.glance(self._user, self._looked_in, reasons=self._reasons)
        if self._shown is not None and glance.is_as(self._shown.glance):
            return None
        shown = self._listening.show(glance)
        view = await asyncio.shield(shown.json)  # others may wait for it too
        self._shown = shown
        return view
