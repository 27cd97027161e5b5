"""The aliases on `releases`: which release is champion, and how another becomes champion."""

import logging
from collections.abc import Iterable, Sequence
from contextlib import aclosing
from itertools import groupby
from typing import Final, NamedTuple

import msgspec

from models.release_files import MAX_MANIFEST_BYTES
from models.release_folder import FileTooLargeError
from streamer.errors import StoreError
from streamer.kafka.clients import running
from streamer.kafka.connection import Connection
from streamer.kafka.consumers import read_backlog
from streamer.kafka.producers import create_producer
from streamer.releases.signing import Signer
from streamer.releases.store import Store
from streamer.runtime.threads import call_unjoined
from streamer.wire.messages import ReleaseNotice

logger = logging.getLogger(__name__)

CHAMPION: Final = b"champion"

#: In the store: the latest notice of the champion. The topic decides; this is for those who do not read it.
CHAMPION_FILE: Final = "champion.json"


class Move(NamedTuple):
    """That the alias moved to another release.

    Attributes:
        at_ms: since the epoch.
        notice: of that release.
    """

    at_ms: int
    notice: ReleaseNotice


async def find_champions(connection: Connection, topic: str) -> list[ReleaseNotice]:
    """Read the releases that a rollback would go back through, the champion last."""
    return champions_after(await find_moves(connection, topic))


async def find_moves(connection: Connection, topic: str) -> list[Move]:
    """Read how the champion changed, the oldest first; compaction keeps earlier notices only for a while."""
    async with aclosing(read_backlog(connection, topic, [0])) as records:
        return [
            Move(record.timestamp, notice)
            async for record in records
            if record.key == CHAMPION and record.value is not None and (notice := _read(record.value, topic))
        ]


def champions_after(moves: Iterable[Move]) -> list[ReleaseNotice]:
    """Return the releases that a rollback would go back through, the champion last.

    Ids sort by age, and promoting an older release withdraws the newer ones: after A, B, C and B again, A comes before
    B, and C is gone.
    """
    champions: list[ReleaseNotice] = []
    for _, notice in moves:
        champions = [earlier for earlier in champions if earlier.release_id < notice.release_id] + [notice]
    return champions


def answered(moves: Sequence[Move]) -> dict[str, tuple[int, int | None]]:
    """Return by release when it was champion last: from and until, ms since the epoch; None: it still is."""
    changes = [next(same) for _, same in groupby(moves, key=lambda move: move.notice.release_id)]
    ends = [*(change.at_ms for change in changes[1:]), None]
    return {change.notice.release_id: (change.at_ms, end) for change, end in zip(changes, ends, strict=False)}


async def move_alias(connection: Connection, topic: str, notice: ReleaseNotice, alias: bytes = CHAMPION) -> None:
    """Point an alias at a release; return when every in-sync replica has the notice."""
    async with running(create_producer(connection)) as producer:
        await producer.send_and_wait(topic, msgspec.json.encode(notice), alias, partition=0)


async def announce(
    connection: Connection, topic: str, notice: ReleaseNotice, store: Store, signer: Signer | None
) -> None:
    """Sign a release if there is a key, make it champion, and note that in the store, for those that read it alone.

    Raises:
        InvalidRelease: it has another manifest than the notice says.
        StoreError: it cannot be signed; nothing has changed.
        KafkaError: Kafka cannot be reached; the champion has not changed.
    """
    if signer is not None:
        await call_unjoined(lambda: signer.sign(store.folder(notice.release_id), notice.manifest_sha256))
    await move_alias(connection, topic, notice)
    try:
        await call_unjoined(lambda: store.write(CHAMPION_FILE, msgspec.json.encode(notice)))
    except StoreError as exc:  # only `refrain train` reads it
        logger.warning("champion not noted in the store: %s", exc)


def noted_champion(store: Store) -> ReleaseNotice | None:
    """Read which release the store says is champion; None if it says none.

    Raises:
        StoreError: the store fails.
    """
    try:
        return msgspec.json.decode(store.read(CHAMPION_FILE, MAX_MANIFEST_BYTES), type=ReleaseNotice)
    except (FileNotFoundError, FileTooLargeError, ValueError):
        return None


def _read(value: bytes, topic: str) -> ReleaseNotice | None:
    try:
        return msgspec.json.decode(value, type=ReleaseNotice)
    except ValueError as exc:  # msgspec's, of what is no notice, or Python's, of what is no UTF-8
        logger.warning("notice cannot be read topic=%s: %s", topic, exc)
        return None
