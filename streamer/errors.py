"""The errors, split by what their handler does.

    RefrainError
    +-- SettingsError          a REFRAIN_ variable is wrong: printed, exit 2, nothing was started
    +-- ContractError          topics, offsets and changelog do not fit together: printed, exit 3, nothing was changed
    +-- AccessError            Kafka refuses us, or we refuse its certificate: printed, exit 3, nothing was started
    +-- InUseError             another process has the directory: printed, exit 3
    +-- KafkaUnavailableError  the embedded Kafka does not start: printed, exit 4
    +-- ReleaseError           a release cannot be taken up: logged, the worker keeps the one it has
    |   +-- StoreError         the store of the releases fails or does not answer: tried again, it may recover
    +-- StepError              a step cannot be computed: its batch is retried in halves, down to the guilty play
    +-- ElsewhereError         a listener does not live here, or is moving: whoever asked asks another worker
    +-- BusyError              more is asked of a worker than it answers beside its plays: whoever asked tries later
    +-- ImaginedError          what is imagined cannot be: a play that would be refused, or one that is not remembered
    +-- NoReleaseError         only a release can say what is asked, and there is none: whoever asked waits for one
    +-- QueryError             a question over HTTP is not answered: whoever asked is answered with its code
    +-- RecordingError         a file of plays cannot be read, or too few of its rows are plays: printed, exit 1
    +-- CheckpointError        a checkpoint is damaged, or from another fit: printed, exit 1, the file is kept

A bad play is not an exception but a row beside the good ones (`wire.plays.Reject`), because it must not stop a chunk.
A failure between a transaction and the disk is not one either: it ends the process (`runtime.crash.crash`), because
recovery is the only way back.
"""

from collections.abc import Collection
from typing import Literal, TypeAlias

#: Why a question over HTTP is not answered; each has one status, see `streamer.queries.problems`.
Code: TypeAlias = Literal[
    "bad_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "no_map",
    "method_not_allowed",
    "conflict",
    "no_release",
    "too_large",
    "busy",
    "internal",
    "elsewhere",
    "moving",
    "unavailable",
]


class RefrainError(Exception):
    """Root of all errors that Refrain raises."""


class SettingsError(RefrainError):
    """Raised when a setting is unknown, missing or impossible."""


class ContractError(RefrainError):
    """Raised when Kafka's contents contradict the states, so that starting would lose or repeat plays."""


class AccessError(RefrainError):
    """Raised when a password, a certificate or a right does not let us into Kafka; names it and what to do."""


class InUseError(RefrainError):
    """Raised when a directory belongs to another process that runs."""


class KafkaUnavailableError(RefrainError):
    """Raised when the embedded Kafka cannot be fetched, started or reached."""


class ReleaseError(RefrainError):
    """Raised when a release that was announced cannot be copied, verified or loaded."""


class StoreError(ReleaseError):
    """Raised when the store of the releases fails or does not answer in time, whatever its driver raised."""


class RecordingError(RefrainError):
    """Raised when a file of plays cannot be read, or too few of its rows are plays."""


class StepError(RefrainError):
    """Raised when a step raised, ran out of memory or produced a NaN or infinity; names the release and the failure."""


class ElsewhereError(RefrainError):
    """Raised when a listener's partition is not here, or not yet.

    Args:
        partition: where they may live.
        looked_in: partitions where they might have lived, and do not.
    """

    def __init__(self, partition: int, looked_in: Collection[int] = ()) -> None:
        super().__init__(f"partition {partition} is not answered here now; ask the worker that owns it")
        self.partition = partition
        self.looked_in = looked_in


class BusyError(RefrainError):
    """Raised when as much is asked of a worker as it answers beside its plays."""


class ImaginedError(RefrainError):
    """Raised when a play that is added would be refused, or one that is removed is not remembered."""


class NoReleaseError(RefrainError):
    """Raised when something is asked that only a release can say, and there is none yet."""


class QueryError(RefrainError):
    """Raised when a question over HTTP is not answered.

    Args:
        code: decides the status.
        message: what, which, and what to do, in one line without a user id.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.code: Code = code
