import math

from streamer.archive.level import Level
from tests.builders import NOON_MS, play

NOON_S = NOON_MS / 1000


def test_an_archive_with_nothing_left_to_read_is_level_with_now() -> None:
    assert Level().look({0: 0, 1: 0}, NOON_S) == NOON_S


def test_an_archive_is_as_far_as_the_partition_that_is_furthest_behind() -> None:
    level = Level()
    level.note_archived({0: [play(7, "u", "t1")], 1: [play(8, "v", "t1")]})

    assert level.look({0: 3, 1: 0}, NOON_S + 60) == NOON_S
    assert level.look({0: 0, 1: 0}, NOON_S + 70) == NOON_S + 70
    assert level.look({0: 1, 1: 0}, NOON_S + 90) == NOON_S + 70


def test_a_partition_of_which_nothing_was_read_leaves_it_unknown() -> None:
    assert math.isnan(Level().look({0: 3, 1: 0}, NOON_S))
    assert math.isnan(Level().look({}, NOON_S))


def test_what_was_read_and_cannot_be_archived_says_how_late_the_archive_is() -> None:
    level = Level()
    level.note_fetched({0: [play(7, "u", "t1", NOON_MS)]})
    level.note_fetched({0: [play(8, "u", "t1", NOON_MS)]})

    assert level.look({0: 2}, NOON_S + 600) == NOON_S


def test_a_clock_that_is_fast_does_not_lead_the_archive_into_the_future() -> None:
    level = Level()
    level.note_archived({0: [play(7, "u", "t1")]})

    assert level.look({0: 3}, NOON_S - 60) == NOON_S - 60
