"""What `--json` prints: one shape per command, whose keys stay; docs/public.md lists them."""

from typing import Any, Literal, TypeAlias

import msgspec

Value: TypeAlias = str | int | float | bool


class ListedSetting(msgspec.Struct, frozen=True):
    """A setting.

    Attributes:
        name: of its variable.
        section: what it is about.
        unit: empty where it has none.
        choices: empty where it is free.
        default: an empty text where there is none.
        value: `***` for a secret that is given.
        source: where the value is from.
        file: of a secret, whose path is in the variable `<name>_FILE`; else None.
        reason: what it decides, and why the default is what it is.
    """

    name: str
    section: str
    unit: str
    choices: tuple[str, ...]
    default: Value
    value: Value
    source: Literal["default", "variable", "file"]
    file: str | None
    reason: str


class SettingsShown(msgspec.Struct, frozen=True):
    """All settings, section by section."""

    settings: tuple[ListedSetting, ...]


class ListedRelease(msgspec.Struct, frozen=True):
    """A release in the list; of a damaged one only `id`, `mark`, `location` and `fault` are known.

    Attributes:
        id: its name.
        mark: `champion`, `before` for the one before it, or empty.
        location: its URL.
        created_at_ms: since the epoch.
        num_plays: that it was fitted on.
        hit_rate_at_20: that the gate measured.
        verdict: of the gate.
        fault: why it is damaged.
    """

    id: str
    mark: str
    location: str
    created_at_ms: int | None = None
    num_plays: int | None = None
    hit_rate_at_20: float | None = None
    verdict: str | None = None
    fault: str | None = None


class ListedRefusal(msgspec.Struct, frozen=True):
    """Why something was not released."""

    at_ms: int
    trigger: str
    reason: str


class ReleasesShown(msgspec.Struct, frozen=True):
    """The releases and the latest refusals, newest first, and the id of the champion."""

    champion: str | None
    releases: tuple[ListedRelease, ...]
    refusals: tuple[ListedRefusal, ...]


class ReleaseShown(msgspec.Struct, frozen=True):
    """A release in full: `files` are checksums by name, `metrics` what the trainer measured."""

    id: str
    location: str
    created_at_ms: int
    manifest_sha256: str
    from_ms: int
    until_ms: int
    num_plays: int
    num_listeners: int
    files: dict[str, str]
    verdict: str | None
    metrics: dict[str, Any]


class ResetPlan(msgspec.Struct, frozen=True):
    """What a reset of a partition would do."""

    to: Literal["earliest", "latest"]
    offset: int
    num_skipped: int
    num_again: int


class ListedPartition(msgspec.Struct, frozen=True):
    """The offsets of a partition of the plays.

    Attributes:
        partition: its number.
        begin: the first offset that the topic holds.
        end: the offset after the last.
        mark: the last offset that the states cover; None if nothing was ever applied.
        committed: of the group; None if there is none.
        contradiction: what does not fit; empty if it does.
        resets: what would help, where it does not fit.
    """

    partition: int
    begin: int
    end: int
    mark: int | None
    committed: int | None
    contradiction: str
    resets: tuple[ResetPlan, ...]


class OffsetsShown(msgspec.Struct, frozen=True):
    """The offsets of all partitions, and what is to be said of the topics."""

    partitions: tuple[ListedPartition, ...]
    notes: tuple[str, ...]


class LetterShown(msgspec.Struct, frozen=True):
    """A dead letter; what is no UTF-8 in key and value is escaped.

    Attributes:
        letter: PARTITION:OFFSET on the topic of dead letters.
        refused_at_ms: since the epoch.
        cause: why, as a code.
        reason: why, in words.
        source: PARTITION:OFFSET of the play on its topic.
        source_topic: that topic.
        num_bytes: of the play, as it was received.
        sent_again: whether it was.
        times_sent: how often the play had been sent again before.
        key: of the play; None in a list.
        value: of the play; None in a list.
    """

    letter: str
    refused_at_ms: int
    cause: str
    reason: str
    source: str
    source_topic: str
    num_bytes: int
    sent_again: bool
    times_sent: int
    key: str | None = None
    value: str | None = None


class CountedCause(msgspec.Struct, frozen=True):
    """How many letters have a cause, and how many of them were sent again."""

    cause: str
    num_letters: int
    num_sent: int


class LettersShown(msgspec.Struct, frozen=True):
    """The newest letters, oldest first, and counts of all by cause."""

    letters: tuple[LetterShown, ...]
    causes: tuple[CountedCause, ...]
    num_foreign: int


def to_json(shown: msgspec.Struct) -> str:
    """Write an object in a line, ending with a newline."""
    return msgspec.json.encode(shown).decode() + "\n"
