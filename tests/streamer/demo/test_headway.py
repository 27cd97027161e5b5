from streamer.demo.headway import Headway, Reached

HISTORY_PLAYS = 100


def test_a_demo_that_goes_on_slowly_does_not_stand_still() -> None:
    headway = Headway(HISTORY_PLAYS)

    way = [
        Reached(),
        Reached(num_sent=50),
        Reached(num_sent=100, num_applied=10),
        Reached("http://127.0.0.1:6066", 100, 10),
        Reached("http://127.0.0.1:6066", 100, 10, num_steps=1),
    ]

    assert [headway.standstill_s(500.0 * number, reached) for number, reached in enumerate(way)] == [0.0] * len(way)


def test_a_standstill_counts_from_the_last_progress() -> None:
    headway = Headway(HISTORY_PLAYS)
    headway.standstill_s(10.0, Reached(num_sent=50))
    headway.standstill_s(400.0, Reached(num_sent=60))

    assert headway.standstill_s(1_000.0, Reached(num_sent=60)) == 600.0


def test_plays_after_the_history_are_no_progress() -> None:
    headway = Headway(HISTORY_PLAYS)
    headway.standstill_s(0.0, Reached(num_sent=100, num_applied=100))

    assert headway.standstill_s(700.0, Reached(num_sent=9_000, num_applied=9_000)) == 700.0
