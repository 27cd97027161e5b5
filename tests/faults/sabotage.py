"""Faults at a chosen step in the life of a play, patched in from outside: the product knows nothing of them."""

from __future__ import annotations

import asyncio
import functools
import inspect
import itertools
import pkgutil
import signal
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol

from streamer.faust.store import ChunkStore

#: The function that takes each step of a batch, in order.
BATCH_STEPS: Final = {
    "fetch": "streamer.faust.transport:ChunkConsumer._getmany",
    "decode": "streamer.worker.pipeline:Answering._take_in",
    "gather": "streamer.worker.pipeline:Answering._read_states",
    "plan": "streamer.worker.pipeline:plan",
    "step": "streamer.worker.engine:Engine.step",
    "merge": "streamer.worker.pipeline:_merge",
    "commit": "streamer.faust.table:ListenerTable.commit",
    "begin transaction": "streamer.kafka.fence:Fence.begin",
    "send": "streamer.kafka.fence:Fence._append",
    "end transaction": "streamer.kafka.fence:Fence.commit",
    "remember": "streamer.faust.store:ChunkStore.write_batch",
    "acknowledge": "faust.streams:Stream.ack",
    "commit offset": "streamer.faust.transport:ChunkConsumer.commit",
}

#: The function that takes each step of a start, in order; all but the first also run at each rebalance.
START_STEPS: Final = {
    "load release": "streamer.worker.shelf:Shelf.load",
    "assign": "streamer.faust.transport:ChunkConsumer.on_partitions_assigned",
    "take fences": "streamer.kafka.fences:Fences.take",
    "open store": "streamer.faust.store:ChunkStore._open_for_partition",
    "recover": "streamer.faust.store:ChunkStore.apply_changelog_batch",
    "start at marks": "streamer.faust.transport:ChunkConsumer._start_at_marks",
}

#: What a worker does when the group reassigns its partitions.
REVOKE_STEPS: Final = {"revoke": "streamer.faust.transport:ChunkConsumer.on_partitions_revoked"}

STEPS: Final = BATCH_STEPS | START_STEPS | REVOKE_STEPS

#: Longer than Faust's interval between two commits of offsets.
_STALL_S: Final = 2.5


class Misfortune(Protocol):
    """A fault that a worker inflicts on itself."""

    def install(self) -> None:
        """Prepare it in this process."""


class Act(StrEnum):
    """What happens at the step."""

    KILL = "kill"
    FLUSH_AND_KILL = "flush and kill"  # RocksDB may write its memory to disk at any time, even right before the end
    STALL_AND_KILL = "stall and kill"  # long enough that everything acknowledged is committed
    FREEZE = "freeze"
    RAISE = "raise"


@dataclass(frozen=True, slots=True)
class Sabotage:
    """One fault of one worker.

    Attributes:
        step: of STEPS.
        when: `before` or `after` it.
        act: what happens.
        call: at which call of the step, from 1.
    """

    step: str
    when: str
    act: Act = Act.KILL
    call: int = 1

    def install(self) -> None:
        """Wrap the step in this process."""
        if self.act is Act.FLUSH_AND_KILL:
            _note_stores()
        owner, name = place_of(STEPS[self.step])
        setattr(owner, name, self._wrap(getattr(owner, name)))

    def _wrap(self, step: Callable[..., Any]) -> Callable[..., Any]:
        calls = itertools.count(1)
        if inspect.iscoroutinefunction(step):

            @functools.wraps(step)
            async def sabotaged(*args: Any, **kwargs: Any) -> Any:
                is_due = next(calls) == self.call
                if is_due and self.when == "before":
                    await self._act_async()
                result = await step(*args, **kwargs)
                if is_due and self.when == "after":
                    await self._act_async()
                return result

            return sabotaged

        @functools.wraps(step)
        def sabotaged_at_once(*args: Any, **kwargs: Any) -> Any:
            is_due = next(calls) == self.call
            if is_due and self.when == "before":
                self._act()
            result = step(*args, **kwargs)
            if is_due and self.when == "after":
                self._act()
            return result

        return sabotaged_at_once

    async def _act_async(self) -> None:
        if self.act is Act.STALL_AND_KILL:
            await asyncio.sleep(_STALL_S)
        self._act()

    def _act(self) -> None:
        if self.act is Act.RAISE:
            raise OSError(f"sabotage {self.when} {self.step}")
        if self.act is Act.FREEZE:
            signal.raise_signal(signal.SIGSTOP)  # to this thread: nothing else happens before
            return
        if self.act is Act.FLUSH_AND_KILL:
            for database in itertools.chain.from_iterable(store._dbs.values() for store in _STORES):
                database.flush()
        signal.raise_signal(signal.SIGKILL)


_STORES: Final[list[ChunkStore]] = []


def _note_stores() -> None:
    """Keep a list of the stores created in this process from now on."""
    make = ChunkStore.__init__

    @functools.wraps(make)
    def noting(store: ChunkStore, *args: Any, **kwargs: Any) -> None:
        make(store, *args, **kwargs)
        _STORES.append(store)

    ChunkStore.__init__ = noting  # type: ignore[assignment, method-assign]  # a patch of a method, which no types allow


def place_of(target: str) -> tuple[Any, str]:
    """Return the owner and the attribute name of a place in the product, `module:path`."""
    module, _, path = target.partition(":")
    owner, _, name = path.rpartition(".")
    return pkgutil.resolve_name(f"{module}:{owner}" if owner else module), name


def moments(steps: Iterable[str]) -> list[tuple[str, str]]:
    """Return each step with `before` and with `after`."""
    return [(step, when) for step in steps for when in ("before", "after")]
