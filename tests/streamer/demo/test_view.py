import dataclasses

import pytest
from rich.console import Console

from streamer.demo.picture import Live, Notice, Phase, Picture, PlayedTrack, ReleaseView, Spotlight, Track
from streamer.demo.scores import Score
from streamer.demo.view import render, render_figures

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
    release=ReleaseView("20261124T002714.810Z-fcabee98", 2, for_s=72.0, hit_rate=0.531, earlier_hit_rate=0.251),
    scores=(Score(0.418, 0.18, 0.377), Score(0.052, 0.008, 0.159), Score(0.01, 0.0018, 0.05)),
    spotlight=Spotlight("listener-000093", [PlayedTrack(track, 3) for track in TRACKS], TRACKS, TRACKS[::-1]),
)
STARTING = Picture(
    elapsed_s=12.0,
    status="sending",
    phases=(Phase("Start Kafka", 1.0), Phase("Send the plays", 0.25, "10,000 of 40,000 plays"), Phase("x", 0.0)),
)
PLAYING = Picture(125.0, "live", 979_777_000_000, "training the network, epoch 2 of 4", live=LIVE)


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
        "release 2", "0.531", "of release 1", "0.251", "01:12", "trainer: training", "0.418", "0.377", "0.052",
        "listener-000093", "18 Jan 2001", "02:05",
    ):  # fmt: skip
        assert words in shown
    assert "…" not in shown
    assert len(lines) == 30
    assert {len(line) for line in lines} == {width}


def test_there_is_room_for_the_longest_words_of_the_trainer() -> None:
    words = "collecting plays, 12,000 of 12,000; the gate refused 2 so far"

    panel = [line[65:].strip("│ ") for line in text_of(dataclasses.replace(PLAYING, trainer=words))]

    assert f"trainer: {words}" in " ".join(panel)


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

    assert any("✓" in line and "Start Kafka" in line for line in shown)
    assert any("10,000 of 40,000 plays" in line for line in shown)


def test_what_to_do_is_said_before_the_first_answer() -> None:
    picture = dataclasses.replace(STARTING, status="open http://127.0.0.1:6066 to see plays arrive")

    title, *rest = text_of(picture)

    assert picture.status in title
    assert any(picture.status in line for line in rest)


def test_what_ends_the_demo_follows_its_status() -> None:
    picture = dataclasses.replace(PLAYING, end="ends in 12 s")

    assert "live, ends in 12 s" in text_of(picture)[0]
    assert render_figures(picture).endswith("; ends in 12 s")


@pytest.mark.parametrize(
    "status",
    [
        "live at http://127.0.0.1:28315, Kafka at 127.0.0.1:27010, ends in 1500 s",
        "open http://127.0.0.1:28315 to see plays arrive; lists follow with the first release",
        "worker-0 was killed by signal 9 (SIGKILL); starting it again",
    ],
)
def test_there_is_room_for_the_longest_status(status: str) -> None:
    title, *_ = text_of(dataclasses.replace(PLAYING, status=status))

    assert status in title


def test_news_takes_the_place_of_the_status() -> None:
    notices = [Notice(120.0, "worker-0 was killed"), Notice(121.0, "worker-1 was killed")]

    title, *_ = text_of(dataclasses.replace(PLAYING, notices=notices))

    assert "worker-1 was killed" in title
    assert "live" not in title


def test_nothing_moves_while_the_history_fills() -> None:
    later = dataclasses.replace(STARTING, phases=(STARTING.phases[0], Phase("Send the plays", 1.0, "40,000")))

    columns = [next(line.index("Send") for line in text_of(picture) if "Send" in line)
               for picture in (STARTING, later)]  # fmt: skip

    assert columns[0] == columns[1]


def test_there_are_no_figures_before_the_first_play() -> None:
    assert render_figures(STARTING) == ""


def test_figures_before_the_first_answer_are_of_the_plays_and_the_trainer() -> None:
    picture = dataclasses.replace(STARTING, num_sent=12_000, num_applied=9_500, trainer="learning item vectors")

    assert render_figures(picture) == "12,000 plays sent, 9,500 applied; trainer: learning item vectors"


def test_a_line_shows_the_same_figures() -> None:
    assert render_figures(PLAYING) == (
        "300 plays/s, 599 lists/s, lag 4 plays, latency 31 ms (99 %: 98 ms), dead letters 26 of 27, "
        "HR@20 of release 2: 0.531 (release 1: 0.251, popularity: 0.052); trainer: training the network, epoch 2 of 4"
    )


def test_the_first_release_is_compared_with_popularity_alone() -> None:
    first = ReleaseView("one", 1, for_s=72.0, hit_rate=0.251, earlier_hit_rate=None)

    line = render_figures(dataclasses.replace(PLAYING, live=dataclasses.replace(LIVE, release=first)))

    assert "HR@20 of release 1: 0.251 (popularity: 0.052)" in line
