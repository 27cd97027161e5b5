from streamer.faust.thread import fetch_limits


def test_a_broker_holds_back_what_comes_fast_enough() -> None:
    assert fetch_limits(500.0, 0.0075) == (64 << 10, 7)
    assert fetch_limits(500.0, 20.0) == (64 << 10, 100)


def test_a_play_that_comes_alone_is_fetched_at_once() -> None:
    assert fetch_limits(50.0, 0.0075) == (1, 100)
    assert fetch_limits(1e6, 0.0) == (1, 100)
