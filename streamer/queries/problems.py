"""Problems: an error -> the status, the headers and the body of the answer to a question."""

import logging
from collections.abc import Mapping
from typing import Final

from streamer.errors import (
    BusyError,
    Code,
    ElsewhereError,
    ImaginedError,
    KafkaUnavailableError,
    NoReleaseError,
    QueryError,
    RefrainError,
    ReleaseError,
)
from streamer.wire.views_access import Problem

logger = logging.getLogger(__name__)

STATUSES: Final[Mapping[Code, int]] = {
    "bad_request": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "not_found": 404,
    "no_map": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "no_release": 409,
    "too_large": 413,
    "busy": 429,
    "internal": 500,
    "elsewhere": 503,
    "moving": 503,
    "unavailable": 503,
}

#: What whoever asked needs in order to ask again.
HEADERS: Final[Mapping[Code, Mapping[str, str]]] = {
    "unauthorized": {"WWW-Authenticate": 'Bearer realm="refrain"'},
    "busy": {"Retry-After": "1"},
    "moving": {"Retry-After": "1"},
}

_CODES: Final[Mapping[type[RefrainError], Code]] = {
    BusyError: "busy",
    ImaginedError: "bad_request",
    KafkaUnavailableError: "unavailable",
    NoReleaseError: "no_release",
    ReleaseError: "unavailable",
}


def problem_of(error: RefrainError, *, is_settled: bool) -> Problem:
    """Say what an error means to whoever asked.

    Args:
        error: what a handler raised.
        is_settled: the worker has its partitions; while it has not, a listener who is not here is moving.
    """
    if isinstance(error, QueryError):
        return Problem(error.code, str(error))
    if isinstance(error, ElsewhereError):
        return Problem("elsewhere" if is_settled else "moving", str(error), error.partition)
    codes = (code for kind, code in _CODES.items() if isinstance(error, kind))
    return Problem(next(codes, "internal"), str(error))


def unforeseen(error: Exception, path: str) -> Problem:
    """Log where an error comes from that nobody foresaw, without its text, which may name a listener."""
    logger.error("question failed route=%s error=%s place=%s", path, type(error).__name__, _place(error))
    return Problem("internal", "the worker failed to answer; its log says where, please report it")


def _place(error: BaseException) -> str:
    """Name the innermost line that an error passed."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else "unknown"
