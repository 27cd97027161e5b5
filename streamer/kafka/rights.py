"""The rights that each of our processes needs on Kafka."""

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from streamer.settings import Settings

Operation: TypeAlias = Literal["Read", "Write", "Describe", "DescribeConfigs"]
Resource: TypeAlias = Literal["topic", "group", "transactional id"]

#: Kafka's numbers of the operations, which are bits of what a broker says we may do.
CODES: Final[dict[Operation, int]] = {"Read": 3, "Write": 4, "Describe": 8, "DescribeConfigs": 10}


@dataclass(frozen=True, slots=True)
class Right:
    """A right, as an ACL grants it. Read and Write include Describe.

    Attributes:
        operation: what may be done.
        resource: to what.
        name: its name, or the beginning of its names.
        is_prefix: whether the name is a beginning, and the ACL's pattern `prefixed`.
    """

    operation: Operation
    resource: Resource
    name: str
    is_prefix: bool = False

    def __str__(self) -> str:
        """Return `Read on topic plays`."""
        return f"{self.operation} on {self.resource} {self.name}{'*' if self.is_prefix else ''}"


def worker_rights(settings: Settings) -> list[Right]:
    """Return the rights of a worker, and of `offsets reset`, which writes in its place."""
    written = (settings.short_term_topic, settings.long_term_topic, settings.dead_letter_topic)
    return [
        *_on(settings.plays_topic, "Read", "DescribeConfigs"),
        *_on(settings.changelog_topic, "Read", "Write", "DescribeConfigs"),
        *(right for topic in written for right in _on(topic, "Write", "DescribeConfigs")),
        *_on(settings.releases_topic, "Read", "DescribeConfigs"),
        *_on(settings.catalogue_topic, "Read", "DescribeConfigs"),
        Right("Read", "group", settings.app_id),
        Right("Write", "transactional id", f"{settings.app_id}-", is_prefix=True),
    ]


def optional_rights(settings: Settings) -> list[Right]:
    """Return the rights without which a worker answers plays, but not all questions over HTTP."""
    asked = (letter_reader_rights, letter_sender_rights, letter_remover_rights, promoter_rights)
    rights = dict.fromkeys(right for rights_of in asked for right in rights_of(settings))
    needed = worker_rights(settings)  # the prefix of its fences covers theirs
    return [right for right in rights if right.resource == "topic" and right not in needed]


def trainer_rights(settings: Settings) -> list[Right]:
    """Return the rights of a trainer."""
    answers = (settings.short_term_topic, settings.long_term_topic)
    checked = (settings.changelog_topic, *answers)
    return [
        *_on(settings.plays_topic, "Read", "DescribeConfigs"),
        *_on(settings.dead_letter_topic, "Read", "Write", "DescribeConfigs"),
        *_on(settings.releases_topic, "Read", "Write", "DescribeConfigs"),
        *_on(settings.catalogue_topic, "Read", "DescribeConfigs"),
        *(right for topic in checked for right in _on(topic, "Describe", "DescribeConfigs")),
    ]


def simulator_rights(settings: Settings) -> list[Right]:
    """Return the rights of `simulate`, which also looks whether all topics are as they should be."""
    checked = (
        settings.changelog_topic, settings.short_term_topic, settings.long_term_topic, settings.dead_letter_topic,
        settings.releases_topic,
    )  # fmt: skip
    return [
        *_on(settings.plays_topic, "Read", "Write", "DescribeConfigs"),
        *_on(settings.catalogue_topic, "Read", "Write", "DescribeConfigs"),
        *(right for topic in checked for right in _on(topic, "Describe", "DescribeConfigs")),
    ]


def release_reader_rights(settings: Settings) -> list[Right]:
    """Return the rights of `releases list`."""
    return _on(settings.releases_topic, "Read")


def promoter_rights(settings: Settings) -> list[Right]:
    """Return the rights of `releases promote` and `rollback`."""
    return _on(settings.releases_topic, "Read", "Write")


def catalogue_reader_rights(settings: Settings) -> list[Right]:
    """Return the rights of `catalogue show`."""
    return _on(settings.catalogue_topic, "Read")


def catalogue_writer_rights(settings: Settings) -> list[Right]:
    """Return the rights of `catalogue load` and `withdraw`."""
    return _on(settings.catalogue_topic, "Read", "Write")


def offset_reader_rights(settings: Settings) -> list[Right]:
    """Return the rights of `offsets show`."""
    return [
        *_on(settings.plays_topic, "Read"),
        *_on(settings.changelog_topic, "Read"),
        Right("Describe", "group", settings.app_id),
    ]


def listener_reader_rights(settings: Settings) -> list[Right]:
    """Return the rights of `listener`."""
    read = (
        settings.changelog_topic, settings.short_term_topic, settings.long_term_topic, settings.releases_topic,
        settings.catalogue_topic,
    )  # fmt: skip
    return [*_on(settings.plays_topic, "Describe"), *(right for topic in read for right in _on(topic, "Read"))]


def sender_rights(settings: Settings) -> list[Right]:
    """Return the rights of `send`, and of whatever sends plays."""
    return _on(settings.plays_topic, "Write")


def forgetter_rights(settings: Settings) -> list[Right]:
    """Return the rights of `forget`."""
    return [*_on(settings.plays_topic, "Write"), *_on(settings.dead_letter_topic, "Read")]


def letter_reader_rights(settings: Settings) -> list[Right]:
    """Return the rights of `dead-letters list` and `show`."""
    return _on(settings.dead_letter_topic, "Read")


def letter_sender_rights(settings: Settings) -> list[Right]:
    """Return the rights of `dead-letters send-again`."""
    return [
        *_on(settings.dead_letter_topic, "Read", "Write"),
        *_on(settings.plays_topic, "Write"),
        Right("Write", "transactional id", f"{settings.app_id}-dead-letters"),
    ]


def letter_remover_rights(settings: Settings) -> list[Right]:
    """Return the rights of `dead-letters discard` and `erase-forgotten`."""
    return [
        *_on(settings.dead_letter_topic, "Read", "Write"),
        Right("Write", "transactional id", f"{settings.app_id}-dead-letters"),
    ]


def _on(topic: str, *operations: Operation) -> list[Right]:
    return [Right(operation, "topic", topic) for operation in operations]
