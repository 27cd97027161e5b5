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


class ForgetReceipt(msgspec.Struct, frozen=True):
    """A tombstone, and what the worker wrote in the transaction that applied it.

    Attributes:
        tombstone: PARTITION:OFFSET on the topic of plays.
        receipt: PARTITION:OFFSET on the topic of dead letters.
        applied_at_ms: since the epoch.
    """

    tombstone: str
    receipt: str
    applied_at_ms: int


class Forgotten(msgspec.Struct, frozen=True):
    """A listener who is forgotten, with a receipt for each partition that may have been theirs."""

    user: str
    receipts: tuple[ForgetReceipt, ...]


class RememberedPlay(msgspec.Struct, frozen=True):
    """A play of the ring; the track's id is known if it is in one of the lists, or in the catalogue, as its name is."""

    track_key: str
    track: str | None
    played_at_ms: int
    context: str
    skipped: bool
    repeats: bool
    title: str | None = None
    artists: tuple[str, ...] = ()


class StateShown(msgspec.Struct, frozen=True):
    """The state of a listener.

    Attributes:
        plays_seen: all plays of the listener.
        plays_folded: plays that the hidden units contain.
        repeats_seen: plays whose track was in the ring before.
        source_offset: of the latest play.
        played_at_ms: of the latest play.
        release: that made the hidden units; None if none did, or none of the recent champions did.
        release_key: by which the state names that release.
        promoted_at_ms: when it became champion.
        num_counted: tracks whose plays are counted.
        ring: the latest plays, oldest first.
    """

    plays_seen: int
    plays_folded: int
    repeats_seen: int
    source_offset: int
    played_at_ms: int
    release: str | None
    release_key: str | None
    promoted_at_ms: int | None
    num_counted: int
    ring: tuple[RememberedPlay, ...]


class ListedTrack(msgspec.Struct, frozen=True):
    """A track of a list, with its score, and the name that the catalogue gives it."""

    id: str
    score: float
    title: str | None = None
    artists: tuple[str, ...] = ()


class ShownList(msgspec.Struct, frozen=True):
    """The newest list of a horizon: at which offset of its topic it is, and where it comes from."""

    horizon: str
    offset: int
    release: str
    plays_seen: int
    source_offset: int
    emitted_at_ms: int
    tracks: tuple[ListedTrack, ...]


class ListenerShown(msgspec.Struct, frozen=True):
    """What a partition holds of a listener.

    Attributes:
        user: the user id.
        partition: of the plays, the states and the lists.
        partitioners: those that put the listener there.
        changelog_offset: of the state, or of what removed it; None if there never was one.
        mark: the last offset that the states of the partition cover; -1 before the first.
        end: of the plays, the offset after the last.
        state: None if there is none.
        lists: the newest one of each horizon that has one.
    """

    user: str
    partition: int
    partitioners: tuple[str, ...]
    changelog_offset: int | None
    mark: int
    end: int
    state: StateShown | None
    lists: tuple[ShownList, ...]


class ListenersShown(msgspec.Struct, frozen=True):
    """A listener in each partition that may be theirs, and the release that answers; None before the first."""

    partitions: tuple[ListenerShown, ...]
    champion: str | None


class CatalogueTrack(msgspec.Struct, frozen=True):
    """What the catalogue says of a track; of a withdrawn or refused one, nothing but that.

    Attributes:
        id: of the track.
        is_withdrawn: whether it is in no list.
        refused: why its newest record is refused.
    """

    id: str
    is_withdrawn: bool = False
    refused: str | None = None
    title: str | None = None
    artists: tuple[str, ...] = ()
    album: str | None = None
    released: str | None = None
    duration_ms: int | None = None
    picture: str | None = None
    tags: tuple[str, ...] = ()


class CatalogueShown(msgspec.Struct, frozen=True):
    """Tracks of the catalogue, by id."""

    tracks: tuple[CatalogueTrack, ...]


class Finding(msgspec.Struct, frozen=True):
    """What a check found.

    Attributes:
        check: its name.
        outcome: `failed` if a worker would not start or could not answer; `note` if somebody should know; `skipped` if
            it could not be checked, because of one that failed.
        says: what was found, and what to do about it.
    """

    check: str
    outcome: Literal["ok", "note", "failed", "skipped"]
    says: str


class Diagnosis(msgspec.Struct, frozen=True):
    """What the doctor found, check by check."""

    findings: tuple[Finding, ...]
    num_failed: int


def to_json(shown: msgspec.Struct) -> str:
    """Write an object in a line, ending with a newline."""
    return msgspec.json.encode(shown).decode() + "\n"
