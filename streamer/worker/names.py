"""The worker's names of tracks: follows the catalogue into a store on its disk, beside the plays and behind them.

Names are an extra. Nothing here is awaited by a start or a batch, and whatever goes wrong ends no worker: the store is
filled again, or ids are shown. It reads the topic by itself, not along with the withdrawals: those must be complete
before the first answer, whatever a disk says, and are read in a fraction of the time that writing takes.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from streamer.faust.damage import discard, is_damage
from streamer.kafka.follower import Follower, Portion
from streamer.kafka.topic_identity import TopicIdentity
from streamer.runtime.tasks import start_vital
from streamer.wire.catalogue import read_entry
from streamer.worker.name_store import NameStore, Naming

logger = logging.getLogger(__name__)

MAX_RECORDS: Final = 100  # at once: 3 ms, for which the thread that answers may wait
_REST: Final = 9  # times as long as a portion took: a first start takes a tenth of a core
_RETRY_S: Final = 60.0

_Result = TypeVar("_Result")


class Names:
    """Keeps names, and looks them up from any thread.

    Attributes:
        is_current: whether the topic was read to the end that it had at the start.

    Args:
        follower: of the catalogue.
        topic: its name.
        path: of the store.
        retry_s: seconds after a failure until the store is opened again.
    """

    def __init__(self, follower: Follower, topic: str, path: Path, retry_s: float = _RETRY_S) -> None:
        self._follower = follower
        self._topic = topic
        self._path = path
        self._retry_s = retry_s
        self._thread = ThreadPoolExecutor(1, "names")
        self._store: NameStore | None = None
        self._failure: Exception | None = None  # of a look-up
        self._following: asyncio.Task[None] | None = None
        self.is_current = False

    def start(self) -> None:
        """Begin to follow the catalogue."""
        self._following = start_vital(self._run(), "reader of names")

    async def stop(self) -> None:
        """Stop following, and close the store."""
        if self._following is not None:
            self._following.cancel()
            await asyncio.wait([self._following])
        self._thread.shutdown(wait=False)

    def look_up(self, keys: NDArray[np.uint64]) -> list[Naming | None]:
        """Return what is known of tracks by their keys, uint64 (N,)."""
        return self._ask(lambda store: store.look_up(keys), [None] * len(keys))

    def find(self, word: str, limit: int) -> NDArray[np.uint64]:
        """Return the keys, rising, of tracks with a word that begins like this, `limit` at most."""
        return self._ask(lambda store: store.find(word, limit), np.empty(0, np.uint64))

    def _ask(self, question: Callable[[NameStore], _Result], otherwise: _Result) -> _Result:
        store = self._store
        if store is None:
            return otherwise
        try:
            return question(store)
        except Exception as exc:  # noqa: BLE001  RocksDB has no type of its own, and ids are an answer too
            self._failure = exc
            return otherwise

    async def _run(self) -> None:
        while True:
            try:
                await self._follow()
            except Exception as exc:  # noqa: BLE001  whatever it is, plays are answered
                logger.warning("names not kept path=%s error=%s; ids are shown until they are", self._path, exc)
                if is_damage(exc):
                    await self._in_thread(self._discard)
            await asyncio.sleep(self._retry_s)

    def _discard(self) -> None:
        with suppress(OSError):  # then it is opened again as it is
            discard(self._path)

    async def _follow(self) -> None:
        """Follow until something fails."""
        self._failure, self.is_current = None, False
        store = await self._in_thread(partial(NameStore, self._path, self._topic))
        self._store = store

        async def places_in(topic: TopicIdentity) -> Mapping[int, int]:
            return await self._in_thread(partial(store.places, topic))

        try:
            async with aclosing(self._follower.portions(places_in)) as portions:
                async for portion in portions:
                    rest_s = _REST * await self._in_thread(partial(_keep, store, portion))
                    self.is_current = portion.is_current
                    if self._failure is not None:
                        raise self._failure
                    await asyncio.sleep(rest_s)
        finally:
            self._store = None
            await self._in_thread(store.close)

    async def _in_thread(self, call: Callable[[], _Result]) -> _Result:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def _keep(store: NameStore, portion: Portion) -> float:
    """Write a portion; return the seconds of CPU that it took."""
    begun_s = time.thread_time()
    if portion.is_anew:
        store.clear()
    namings = []
    for record in portion.records:
        entry = read_entry(record.key, record.value)
        if entry.track_id:
            namings.append(Naming(entry.track_id, record.partition, record.timestamp, entry.record))
    store.apply(namings, portion.topic, portion.places, is_current=portion.is_current)
    return time.thread_time() - begun_s
