from pathlib import Path

from streamer.demo.trainer_log import TrainerLog


def test_a_trainer_without_a_log_has_not_started(tmp_path: Path) -> None:
    assert TrainerLog(tmp_path / "trainer.log").stage() == ""


def test_the_latest_line_that_says_something_counts(tmp_path: Path) -> None:
    path = tmp_path / "trainer.log"
    log = TrainerLog(path)

    done = "12:00 INFO streamer.training.progress fit epoch=2 of=4 loss=7.1 stage=second stage"
    path.write_text(f"{done}\n12:01 WARNING elsewhere: hm\n")

    assert log.stage() == "has done epoch 2 of 4 of the second stage"


def test_half_a_line_waits_for_its_other_half(tmp_path: Path) -> None:
    path = tmp_path / "trainer.log"
    log = TrainerLog(path)
    path.write_text("fit begins plays=10\nfit epoch=1 ")
    assert log.stage() == "learns item vectors"

    with path.open("a") as rest:
        rest.write("of=4 loss=7.1 stage=network\n")

    assert log.stage() == "has done epoch 1 of 4 of the network"


def test_a_refusal_is_told_with_its_reason(tmp_path: Path) -> None:
    path = tmp_path / "trainer.log"
    path.write_text("release refused: not surely better than popularity in HR@20\n")

    assert TrainerLog(path).stage() == "refused: not surely better than popularity in HR@20"
