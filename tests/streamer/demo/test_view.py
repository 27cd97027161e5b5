import dataclasses

import pytest
from rich.console import Console

from streamer.demo.picture import Live, Phase, Picture, PlayedTrack, Spotlight, Track
from streamer.demo.scores import Score
from streamer.demo.view import render, render_line

TRACKS = [Track(f"track-{number:06d}", number % 12, 200 + number, 13) for number in range(20)]
LIVE = Live(
    plays_per_s=299.6,
    answers_per_s=599.4,
    num_plays=86_124,
    num_applied=86_120,
    lag=4,
    latency_ms=[31.2, 97.9],
    dead_letters=26,
    bad_sent=27,
    release="20261124T002714.810Z-fcabee98",
    release_for_s=72.0,
    num_releases=2,
    scores=(Score(0.418, 0.18, 0.377), Score(0.052, 0.008, 0.159), Score(0.01, 0.0018, 0.05)),
    spotlight=Spotlight("listener-000093", [PlayedTrack(track, 3) for track in TRACKS], TRACKS, TRACKS[::-1]),
)
STARTING = Picture(
    elapsed_s=12.0,
    status="fills the history",
    phases=(Phase("Kafka runs", 1.0), Phase("the history is sent", 0.25, "10,000 of 40,000 messages"), Phase("x", 0.0)),
)
PLAYING = Picture(125.0, "live", 979_777_000_000, "has done epoch 2 of 4", live=LIVE)


def text_of(picture: Picture, width: int = 100, height: int = 30) -> list[str]:
    """Render on a console that is not a terminal."""
    console = Console(width=width, height=height, force_terminal=False, color_system=None)
    with console.capture() as capture:
        console.print(render(picture))
    return capture.get().rstrip("\n").split("\n")


@pytest.mark.parametrize("width", [100, 140])
def test_a_live_picture_shows_all_its_figures(width: int) -> None:
    lines = text_of(PLAYING, width)

    shown = "\n".join(lines)
    for words in (
        "300 /s", "599 /s", "4 plays", "31 ms", "98 ms", "86,120", "26 of 27", "20261124T002714.810Z-fcabee98",
        "2 so far", "has done epoch 2 of 4", "0.418", "0.377", "0.052", "listener-000093", "18 Jan 2001", "02:05",
    ):  # fmt: skip
        assert words in shown
    assert "…" not in shown
    assert len(lines) == 30
    assert {len(line) for line in lines} == {width}


def test_every_line_of_the_lists_is_one_track() -> None:
    lines = text_of(PLAYING)

    (first,) = [line for line in lines if "track-000000" in line]
    assert first.split() == ["│", "#3", "●", "track-000000", "200·13", "1", "●", "track-000000", "200·13", "1", "●",
                             "track-000019", "219·13", "│"]  # fmt: skip


def test_a_play_that_was_in_no_list_has_no_place() -> None:
    plays = [PlayedTrack(TRACKS[0], 0), PlayedTrack(TRACKS[1], None)]
    spotlight = dataclasses.replace(LIVE.spotlight, plays=plays)

    shown = text_of(dataclasses.replace(PLAYING, live=dataclasses.replace(LIVE, spotlight=spotlight)))

    assert not any("#" in line and "third in the previous list" not in line for line in shown)


def test_figures_without_data_are_dashes() -> None:
    nothing = Score(None, None, None)
    live = dataclasses.replace(LIVE, latency_ms=[], scores=(nothing, nothing, LIVE.scores[2]))

    shown = "\n".join(text_of(dataclasses.replace(PLAYING, live=live)))

    assert "None" not in shown
    assert "nan" not in shown


def test_the_phases_up_to_the_first_answer_are_shown() -> None:
    shown = text_of(STARTING)

    assert any("✓" in line and "Kafka runs" in line for line in shown)
    assert any("10,000 of 40,000 messages" in line for line in shown)


def test_what_to_do_is_said_before_the_first_answer() -> None:
    picture = dataclasses.replace(STARTING, status="open http://127.0.0.1:6066 to see plays arrive")

    title, *rest = text_of(picture)

    assert picture.status in title
    assert any(picture.status in line for line in rest)


def test_what_ends_the_demo_follows_its_status() -> None:
    picture = dataclasses.replace(PLAYING, end="ends in 12 s")

    assert "live, ends in 12 s" in text_of(picture)[0]
    assert render_line(picture).startswith("02:05 live, ends in 12 s: ")


def test_a_line_says_what_the_trainer_does_before_the_first_answer() -> None:
    picture = dataclasses.replace(STARTING, trainer="learns item vectors")

    assert render_line(picture) == "00:12 fills the history; the trainer learns item vectors"


def test_nothing_moves_while_the_history_fills() -> None:
    later = dataclasses.replace(STARTING, phases=(STARTING.phases[0], Phase("the history is sent", 1.0, "40,000")))

    columns = [next(line.index("the history") for line in text_of(picture) if "the history" in line)
               for picture in (STARTING, later)]  # fmt: skip

    assert columns[0] == columns[1]


def test_a_line_shows_the_same_figures() -> None:
    assert render_line(STARTING) == "00:12 fills the history: the history is sent 10,000 of 40,000 messages"
    line = render_line(PLAYING)
    for words in ("02:05 live: 300 plays/s", "lag 4", "31 ms", "HR@20 0.418 (popularity 0.052)", "dead letters 26"):
        assert words in line
