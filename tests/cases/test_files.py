"""The files of plays that people have: each is read right, or refused in one line."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from streamer.errors import RecordingError
from streamer.recordings.columns import ColumnChoice
from streamer.recordings.plays import RecordedPlays, read_recording
from tests.cases.observations import Observe

FILES: Final = Path(__file__).parent / "files"
NOW_S: Final = 1_800_000_000.0

#: Kinds of faults by the number that begins the name of a file.
_KINDS: Final = {
    "00": 19, "01": 19, "02": 16, "03": 14, "04": 19, "05": 19, "06": 15, "07": 18, "08": 17, "09": 19, "10": 13,
    "11": 13, "12": 14, "13": 19, "14": 14, "15": 16,
}  # fmt: skip

#: Files that need an option, which the line that refuses them names.
_OPTIONS: Final = {"07g-latin1-ids.csv": ColumnChoice(encoding="latin-1")}

_REFUSED: Final = {
    "07g-latin1-ids.csv": "--encoding latin-1",
    "11d-float-ids.parquet": "column track has DOUBLE, which are no ids; store it as text or whole numbers",
    "11h-list-tracks.parquet": "column track has VARCHAR[], which are no ids; name another column",
}


def read(name: str, choice: ColumnChoice | None = None) -> RecordedPlays:
    return read_recording(FILES / name, choice or ColumnChoice(), lambda: NOW_S)[0]


@functools.cache
def control() -> list[tuple[str, str, int]]:
    return in_order(read("00-control.csv"))


def in_order(recorded: RecordedPlays) -> list[tuple[str, str, int]]:
    """List the plays as a model sees them: listener by listener, by time, plays at the same time as they come."""
    plays = recorded.plays
    order = np.lexsort((plays.played_at_ms, plays.listeners))
    return [
        (recorded.user_ids[user], plays.track_ids[track], at_ms)
        for user, track, at_ms in zip(
            plays.listeners[order].tolist(),
            plays.tracks[order].tolist(),
            plays.played_at_ms[order].tolist(),
            strict=True,
        )
    ]


def cases() -> Iterator[object]:
    for path in sorted(FILES.iterdir()):
        yield pytest.param(path.name, marks=pytest.mark.kind(_KINDS[path.name[:2]]), id=path.name)


@pytest.mark.parametrize("name", list(cases()))
def test_a_file_is_read_or_refused_in_one_line(name: str, observe: Observe) -> None:
    if name in _REFUSED:
        with pytest.raises(RecordingError) as refused:
            read(name)
        line = str(refused.value)
        assert _REFUSED[name] in line
        assert "\n" not in line
        observe(f"refused: {line}")
        return
    recorded, summary = read_recording(FILES / name, ColumnChoice(), lambda: NOW_S)
    assert len(recorded.plays.tracks) + sum(summary.tally.num_left_out.values()) == 480
    for line in summary.lines():
        observe(line)


@pytest.mark.parametrize(("name", "choice"), list(_OPTIONS.items()))
@pytest.mark.kind(18)
def test_the_option_that_a_refusal_names_helps(name: str, choice: ColumnChoice, observe: Observe) -> None:
    recorded = read(name, choice)

    assert recorded.plays.track_ids[0] == "Café t00"
    observe("480 plays, of tracks such as Café t00")
    assert len(recorded.plays.tracks) == 480


#: Files of the same plays, however they are written, except for what each is about.
_SAME = (
    "01b-listenbrainz.jsonl", "03b-mixed-units.csv", "06-quotes.tsv", "06b-open-quote.tsv", "06c-open-quotes.tsv",
    "06d-quote-then-text.tsv", "06f-newline.csv", "07-bom-crlf.csv", "07b-utf16.csv", "07c-latin1.csv",
    "07d-semicolon.csv", "07e-space-header.csv", "07f-plays.csv.gz", "09-recbole.inter",
    "11b-large-string.parquet", "11c-string-view.parquet", "11e-binary-ids.parquet", "11g-decimal-time.parquet",
    "11i-dict-time.parquet", "12-mixed-zones.csv", "12c-utc-suffix.csv", "12d-zone-mixed.csv",
)  # fmt: skip


@pytest.mark.parametrize("name", _SAME)
def test_plays_are_the_same_however_they_are_written(name: str) -> None:
    assert in_order(read(name)) == control()


@pytest.mark.kind(17)
def test_a_file_lists_newest_first_what_another_lists_oldest_first(observe: Observe) -> None:
    descending, ascending = in_order(read("08-descending-minutes.csv")), in_order(read("08b-ascending-minutes.csv"))

    assert len({(user, at_ms) for user, _, at_ms in ascending}) < len(ascending)
    assert descending == ascending
    observe("plays in the same minute are in the order in which they were played, in both")


@pytest.mark.kind(13)
@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("10-leading-zeros.csv", {"0101", "101"}),
        ("10b-big-ids.csv", {"9223372036854775814", "9223372036854775821"}),
        ("10c-na-names.csv", {"NA", "N/A"}),
        ("10d-date-names.csv", {"2020-01-07"}),
        ("10e-float-names.csv", {"7", "1e3", "1000.0"}),
    ],
)
def test_ids_stay_as_they_are_written(name: str, ids: set[str], observe: Observe) -> None:
    assert ids <= set(read(name).plays.track_ids)
    observe(f"tracks {', '.join(sorted(ids))}")
