from streamer.demo.scale import DemoScale
from streamer.settings import Settings


def test_a_worker_accepts_the_settings() -> None:
    settings = Settings.from_environment(DemoScale(num_partitions=3).environment({}))

    assert (settings.answer, settings.short_term_size, settings.long_term_size) == ("each", 20, 100)
    assert settings.partitions == 3


def test_the_first_plays_are_enough_for_a_first_release() -> None:
    scale = DemoScale()

    assert scale.train_min_plays <= scale.first_plays < scale.history_plays
    assert scale.history_plays - scale.first_plays >= scale.train_min_plays  # and the rest for the next one


def test_an_operator_s_own_kafka_is_left_alone() -> None:
    environment = DemoScale().environment({"PATH": "/bin", "REFRAIN_KAFKA_BOOTSTRAP_SERVERS": "production:9092"})

    assert environment["PATH"] == "/bin"
    assert "REFRAIN_KAFKA_BOOTSTRAP_SERVERS" not in environment
