"""What can go wrong, split by what the one who catches it does.

    RefrainError
    +-- SettingsError          a REFRAIN_ variable is wrong: printed, exit 2, nothing was started
    +-- ContractError          topics, offsets and changelog do not fit together: printed, exit 3, nothing was changed
    +-- KafkaUnavailableError  the embedded Kafka does not start: printed, exit 4
    +-- ReleaseError           a release cannot be taken up: logged, the worker carries on with the one it has
    +-- StepError              a step cannot be computed: its batch is tried again in halves, down to the play to blame
    +-- CheckpointError        a checkpoint is damaged, or of another fit: printed, exit 1, it is left as it was

A bad play is no exception but a row beside the good ones (`events.Reject`), for one must not stop a chunk. A failure
between a transaction and the disk is none either: it ends the process (`crash.crash`), because recovery is the one way
back.
"""


class RefrainError(Exception):
    """Root of the errors that Refrain itself raises."""


class SettingsError(RefrainError):
    """Raised when a setting is unknown, missing or impossible."""


class ContractError(RefrainError):
    """Raised when what stands in Kafka contradicts what the worker needs, so that starting would lose or repeat."""


class KafkaUnavailableError(RefrainError):
    """Raised when the embedded Kafka cannot be fetched, started or reached."""


class ReleaseError(RefrainError):
    """Raised when a release that was announced cannot be copied, verified or loaded."""


class StepError(RefrainError):
    """Raised when a step raised, ran out of memory or gave what is no number; says which release and how it failed."""
