"""The output of `listener` and `forget`."""

from collections.abc import Iterator, Sequence

from models.wording import plural
from streamer.letters.texts import escape
from streamer.operations.shapes import (
    ForgetReceipt,
    ListedTrack,
    ListenerShown,
    ListenersShown,
    RememberedPlay,
    ShownList,
    StateShown,
)
from streamer.operations.times import when
from streamer.releases.first import FIRST_RELEASE
from streamer.wire.catalogue import TrackRecord
from streamer.wire.changelog import NO_MARK


def to_text(shown: ListenersShown) -> str:
    """Describe a listener in each partition that may be theirs, ending with a newline."""
    described = ["\n".join(_lines(each)) for each in shown.partitions]
    if shown.champion is None:
        described.append(f"There are no lists before the first release: {FIRST_RELEASE}.")
    return "\n\n".join(described) + "\n"


def receipts_text(user: str, receipts: Sequence[ForgetReceipt]) -> str:
    """Say that a listener is forgotten, and what is still to come, ending with a newline."""
    lines = [f"{escape(user)} is forgotten"]
    lines += [
        f"  tombstone {each.tombstone} applied at {when(each.applied_at_ms)}, receipt {each.receipt}"
        for each in receipts
    ]
    lines.append(
        "State and lists are gone for every reader. A trainer that runs removes letters and archived plays within a "
        "minute; docs/guarantees.md says when the bytes have left every disk."
    )
    return "\n".join(lines) + "\n"


def _lines(shown: ListenerShown) -> Iterator[str]:
    yield f"listener    {escape(shown.user)}"
    yield f"partition   {shown.partition}, by {' and '.join(shown.partitioners)}"
    num_waiting = max(0, shown.end - shown.mark - 1)
    if shown.mark == NO_MARK.offset and num_waiting:
        yield f"progress    no worker has applied a play of this partition yet, {num_waiting} wait"
    else:
        yield f"progress    plays are applied up to offset {shown.mark}, {num_waiting} wait"
    if shown.state is None:
        was = "" if shown.changelog_offset is None else f"; it was removed at offset {shown.changelog_offset}"
        yield f"state       none{was}"
    else:
        yield from _state_lines(shown.state, shown.changelog_offset)
    for each in shown.lists:
        yield from _list_lines(each)


def _state_lines(state: StateShown, offset: int | None) -> Iterator[str]:
    seen = f"{plural(state.plays_seen, 'play')}, {plural(state.repeats_seen, 'repeat')}"
    yield f"state       at offset {offset} of the changelog: {seen}"
    yield f"            the latest at {when(state.played_at_ms)}, offset {state.source_offset}"
    if state.release_key is not None:
        named = state.release or f"with the key {state.release_key}, none of the recent champions"
        yield f"lineage     folded from {plural(state.plays_folded, 'play')} by release {named}"
    counted = plural(state.num_counted, "track was", "tracks were")
    yield f"remembers   the latest {plural(len(state.ring), 'play')}, and how often {counted} played"
    yield from (f"            {_play_line(play)}" for play in state.ring)
    if any(play.track is None for play in state.ring):
        yield "            (# is the hash of a track that is in neither list, nor in the catalogue)"


def _play_line(play: RememberedPlay) -> str:
    notes = [play.context] * (play.context != "none") + ["skipped"] * play.skipped + ["repeat"] * play.repeats
    called = f"{play.track or f'#{play.track_key}'}  {_name(play)}".rstrip()
    return f"{when(play.played_at_ms)}  {escape(called):24} {' '.join(notes)}".rstrip()


def _name(track: RememberedPlay | ListedTrack) -> str:
    return str(TrackRecord(track.title, track.artists))


def _list_lines(shown: ShownList) -> Iterator[str]:
    yield (
        f"{shown.horizon:11} {plural(len(shown.tracks), 'track')} at offset {shown.offset}, written "
        f"{when(shown.emitted_at_ms)} for the play at offset {shown.source_offset} by release {shown.release}"
    )
    yield from (
        f"            {track.score:.4f}  {escape(f'{track.id}  {_name(track)}'.rstrip())}" for track in shown.tracks
    )
