"""Words say what speaks for a track, once, and nothing that does not."""

from dataclasses import dataclass, field

import pytest

from models.serving.reasons import GROUPS, Because, Counted, Reason, RingTerm, SecondStage
from streamer.worker.reason_words import Tracks, words_of

TRACKS = Tracks("track {}".format, 1000)

#: Of a track for which nothing speaks.
NOTHING = Counted(
    lift_after_current=0.0175,
    lift_after_last_two=0.9,
    lift_soon_after_current=1.0004,
    share_after_latest=0.0001,
    closeness_latest=0.0,
    closeness_recent=0.0009,
    times_next=0.0,
    own_plays=0.4,
    popularity=0.0002,
    popularity_of_late=0.0003,
)


@dataclass
class Case:
    """What is known of track 7, and in which order the groups weigh."""

    groups: tuple[str, ...] = tuple(GROUPS)
    cosine: float = 0.0
    ring: RingTerm | None = None
    because: tuple[Because, ...] = ()
    counted: dict[str, float] = field(default_factory=dict)

    def words(self) -> tuple[str, ...]:
        adds = dict.fromkeys(GROUPS, -1.0) | {group: 9.0 - place for place, group in enumerate(self.groups)}
        counted = NOTHING._replace(**self.counted)
        return words_of(Reason(7, self.cosine, self.ring, self.because, counted, SecondStage(0.0, 0.0, adds)), TRACKS)


@pytest.mark.parametrize(
    "group", ["taste", "after current", "after last two", "after latest", "same sessions", "popularity"]
)
def test_what_does_not_speak_for_a_track_is_no_reason(group: str) -> None:
    assert Case((group,)).words() == ("its score as a whole: nothing speaks for it by itself",)
    assert Case((group,), cosine=0.31).words() == ("close to your taste (cosine 0.31)",)


@pytest.mark.parametrize(
    ("group", "counted", "words"),
    [
        ("after current", {"lift_after_current": 2.5},
         "others play it 2.5 times as often right after the current track"),
        ("after current", {"lift_after_current": 1.004}, ""),
        ("after current", {"lift_after_current": float("inf")}, ""),
        ("after current", {"lift_soon_after_current": 1234.0},
         "others play it 1,230 times as often soon after the current track"),
        ("after last two", {"lift_after_last_two": 3.0}, "others play it 3 times as often after the last two tracks"),
        ("after latest", {"share_after_latest": 0.0003}, "it comes soon after your latest tracks"),
        ("same sessions", {"closeness_recent": 0.1}, "it is played in the same sessions as your recent tracks"),
        ("same sessions", {"closeness_latest": 0.1}, "it is played in the same sessions as your latest tracks"),
        ("own plays", {"own_plays": 1.0}, "you played it 1 time, older plays counting less"),
        ("own plays", {"own_plays": 2.5}, "you played it 2.5 times, older plays counting less"),
        ("own plays", {"own_plays": 0.001}, "you have played it before"),
        ("own plays", {"own_plays": 0.0}, "you have not played it yet"),
        ("popularity", {"popularity_of_late": 0.012}, "1.2 % of recent plays are of it"),
        ("popularity", {"popularity_of_late": 1.0}, "100 % of recent plays are of it"),
        ("popularity", {"popularity": 0.0011}, "0.11 % of all plays are of it"),
    ],
)  # fmt: skip
def test_what_speaks_for_a_track_is_said_in_plain_numbers(group: str, counted: dict[str, float], words: str) -> None:
    said = Case((group,), counted=counted).words()

    assert said == (words or "its score as a whole: nothing speaks for it by itself",)


def test_the_reasons_that_weigh_most_come_first() -> None:
    counted = {"lift_after_current": 2.0, "own_plays": 3.0, "popularity_of_late": 0.1, "share_after_latest": 0.5}

    said = Case(("popularity", "after last two", "own plays", "after current", "after latest"), counted=counted).words()

    assert [words.split()[0] for words in said] == ["10", "you", "others"]


def test_a_track_that_was_played_is_said_once_and_beside_it_the_other_one_that_led_to_it() -> None:
    itself, other = Because(7, 16, 0.5), Because(3, 2, 0.1)
    ring = RingTerm(16, 0.2)

    assert Case(("ring", "taste"), ring=ring, because=(itself, other)).words() == (
        "you played it 16 plays ago",
        "because you played track 3 2 plays ago",
    )
    assert Case(("taste", "ring"), ring=ring, because=(itself,)).words() == ("you played it 16 plays ago",)
    assert Case(("own plays", "ring"), ring=ring, counted={"own_plays": 0.0}).words() == ("you played it 16 plays ago",)


def test_a_track_that_was_never_played_is_said_once() -> None:
    assert Case(("ring", "own plays"), counted={"own_plays": 0.0}).words() == ("you have not played it yet",)
    assert Case(("ring",), counted={"own_plays": 0.2}).words() == ("you have not played it lately",)


def test_without_a_second_stage_taste_and_ring_decide() -> None:
    ring = RingTerm(0, 0.9)

    assert words_of(Reason(7, 0.2, ring, (), None, None), TRACKS) == (
        "you played it just now",
        "close to your taste (cosine 0.20)",
    )
    assert words_of(Reason(7, -0.2, None, (), None, None), TRACKS) == (
        "its score as a whole: nothing speaks for it by itself",
    )


def test_without_a_known_play_any_popularity_is_the_reason() -> None:
    assert words_of(Reason(7, 0.0, None, (), NOTHING, None), TRACKS) == ("0.03 % of recent plays are of it",)
