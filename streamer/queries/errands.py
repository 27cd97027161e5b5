"""Errands: what is done on Kafka, or in the store of the releases, for whoever asks.

Each has clients of its own on an event loop of its own (`streamer.runtime.apart`), so that plays never wait for it. It
needs rights that a worker does not need for itself. Who lacks one, or meets a Kafka or a store that does not answer,
hears that within seconds.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from aiohttp import web
from aiokafka.errors import KafkaError, ProducerFenced

from streamer.errors import AccessError, Code, ContractError, QueryError, RefrainError
from streamer.kafka.access import check_access
from streamer.kafka.connection import Connection
from streamer.kafka.rights import Right
from streamer.runtime.apart import Apart

logger = logging.getLogger(__name__)

_Result = TypeVar("_Result")

#: At a time, of all who ask.
_MAX_ERRANDS: Final = 4

#: Seconds that Kafka has to say whether we are let in, and that a look at something may take.
_REACH_S: Final = 4.0
_LOOK_S: Final = 10.0

_SILENT: Final = f"Kafka has not answered within {_REACH_S:.0f} s; nothing was changed: ask again once it does"
_FENCED: Final = "another send-again or discard took over, perhaps a command's; look again, and repeat what is left"


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is changed.

    Attributes:
        kind: of thing that is changed; acts of one kind would fence each other, so they come one after the other.
        what: is done.
        of: to what; names no listener.
        rights: that it takes.
        limit_s: seconds that it may take.
    """

    kind: str
    what: str
    of: str
    rights: Sequence[Right]
    limit_s: float


class Errands:
    """Runs errands, few at a time.

    Args:
        connection: to Kafka.
        apart: where they run.
    """

    def __init__(self, connection: Connection, apart: Apart | None = None) -> None:
        self._connection = connection
        self._apart = apart or Apart(_MAX_ERRANDS)
        self._acting = defaultdict[str, asyncio.Lock](asyncio.Lock)  # by kind of act

    async def look(self, rights: Sequence[Right], call: Callable[[], Coroutine[Any, Any, _Result]]) -> _Result:
        """Look at something.

        Args:
            rights: that it takes.
            call: returns what is run.

        Raises:
            BusyError: too many errands run.
            QueryError: a right is missing, or Kafka does not answer.
        """
        return await self._run(rights, call, _LOOK_S, f"there was no answer within {_LOOK_S:.0f} s; ask again")

    async def act(
        self, act: Act, asked: web.Request, call: Callable[[], Coroutine[Any, Any, _Result]],
        say: Callable[[_Result], str],
    ) -> _Result:  # fmt: skip
        """Change something; how it ended is a line of the log, with who asked for it.

        Args:
            act: what is done.
            asked: the request.
            call: returns what is run.
            say: what is logged of its result.

        Raises:
            BusyError: too many errands run.
            QueryError: a right is missing, Kafka does not answer, or somebody else does the same.
        """
        lost = f"it is not known whether that was done, after {act.limit_s:.0f} s; look again, repeating does no harm"
        outcome = "failed"
        try:
            async with self._acting[act.kind]:
                result = await self._run(act.rights, call, act.limit_s, lost)
            outcome = say(result)
        except QueryError as exc:
            outcome = exc.code
            raise
        finally:
            logger.info("act what=%s of=%s right=act peer=%s outcome=%s", act.what, act.of, asked.remote, outcome)
        return result

    async def _run(
        self, rights: Sequence[Right], call: Callable[[], Coroutine[Any, Any, _Result]], limit_s: float, lost: str
    ) -> _Result:
        async def run() -> _Result:
            await self._check(rights)
            return await call()

        try:
            return await self._apart.run(limit_s, run)
        except AccessError as exc:
            raise QueryError("forbidden", f"Kafka does not let this worker do that: {exc}") from exc
        except ProducerFenced as exc:
            raise QueryError("conflict", _FENCED) from exc
        except TimeoutError as exc:
            raise QueryError("unavailable", lost) from exc
        except (KafkaError, ContractError, OSError) as exc:
            what = " ".join(str(exc).split()) or type(exc).__name__
            raise QueryError("unavailable", f"Kafka failed: {what}; ask again once it is well") from exc

    async def _check(self, rights: Sequence[Right]) -> None:
        try:
            async with asyncio.timeout(_REACH_S):
                await check_access(self._connection, rights)
        except TimeoutError as exc:
            raise QueryError("unavailable", _SILENT) from exc


async def explaining(codes: Mapping[type[RefrainError], Code], answer: Awaitable[_Result]) -> _Result:
    """Await an answer.

    Args:
        codes: of the errors that say why something cannot be done; the first that fits.
        answer: to await.

    Raises:
        QueryError: one of them came.
    """
    try:
        return await answer
    except RefrainError as exc:
        code = next((code for kind, code in codes.items() if isinstance(exc, kind)), None)
        if code is None:
            raise
        raise QueryError(code, str(exc)) from exc
