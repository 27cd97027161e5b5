"""How a check becomes findings: what it says, or what it raises, in a line with what to do."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Final, TypeAlias

import msgspec

from streamer.operations.shapes import Finding
from streamer.runtime.endings import describe_end

Check: TypeAlias = Callable[[], Awaitable[Sequence[Finding]]]

_LIMIT_S: Final = 60.0


def ok(says: str) -> Finding:
    """Say that a worker would be content."""
    return Finding("", "ok", says)


def note(says: str) -> Finding:
    """Say what somebody should know, though a worker would start and answer."""
    return Finding("", "note", says)


def failed(says: str) -> Finding:
    """Say why a worker would not start, or could not answer, and what to do."""
    return Finding("", "failed", says)


async def make_checks(checks: Mapping[str, Check]) -> list[Finding]:
    """Make checks, by their names, one after the other; what one raises is its finding."""
    return [msgspec.structs.replace(each, check=name) for name, check in checks.items() for each in await _find(check)]


async def _find(check: Check) -> Sequence[Finding]:
    try:
        async with asyncio.timeout(_LIMIT_S):
            return await check()
    except TimeoutError:
        return [failed(f"no answer within {_LIMIT_S:.0f} s; check the network, and try again")]
    except Exception as exc:  # noqa: BLE001  the other checks go on
        return [failed(line) for line in describe_end(exc).lines]


def skip(checks: Iterable[str], because: str) -> list[Finding]:
    """Say of checks that they could not be made."""
    return [Finding(check, "skipped", because) for check in checks]
