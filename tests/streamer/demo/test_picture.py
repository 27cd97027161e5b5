from streamer.demo.picture import RATE_SPAN_S, Rate


def test_a_rate_is_the_growth_over_the_latest_seconds() -> None:
    rate = Rate()
    for second in range(60):
        rate.per_s(float(second), 100 * second)

    assert rate.per_s(60.0, 6_000) == 100.0


def test_a_rate_forgets_old_counts() -> None:
    rate = Rate()
    rate.per_s(0.0, 0)
    rate.per_s(1.0, 1_000)

    assert rate.per_s(1.5 + RATE_SPAN_S, 1_000) == 0.0


def test_there_is_no_rate_at_first() -> None:
    assert Rate().per_s(5.0, 100) == 0.0
