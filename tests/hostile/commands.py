"""Commands of Refrain as processes: started, looked at and signalled as an operator would."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import Final
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from tests.until import DEADLINE_S, until

#: Runs a command after a change to the code it runs; the change stands for a bug or for bad luck.
_RUN: Final = "from streamer.__main__ import main; main()"


class Command:
    """A running command.

    Args:
        arguments: of `refrain`.
        environment: its settings, without `REFRAIN_`.
        log: the file that it writes to.
        sabotage: Python statements that run before it.
    """

    def __init__(self, arguments: tuple[str, ...], environment: Mapping[str, str], log: Path, sabotage: str) -> None:
        self.log_path = log
        settings = {f"REFRAIN_{name}": value for name, value in environment.items()}
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("REFRAIN_")}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-c", f"{sabotage}\n{_RUN}", *arguments],
                env={**inherited, "OMP_NUM_THREADS": "1", **settings},
                cwd=log.parent,
                stdout=output,
                stderr=output,
            )

    @property
    def log(self) -> str:
        """What it has written."""
        return self.log_path.read_text(errors="replace")

    @property
    def lines(self) -> list[str]:
        """What it has logged at warning or above, without times."""
        return re.findall(r"^\S+ \S+ (?:WARNING|ERROR|CRITICAL) (.*)$", self.log, re.MULTILINE)

    @property
    def status(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def page(self, name: str) -> tuple[int, str]:
        """Return status and text of a page of its web server; status 0 if nothing answers."""
        try:
            with self.opened(name) as answer:
                return answer.status, answer.read().decode().strip()
        except HTTPError as exc:
            with exc:
                return exc.code, exc.read().decode().strip()
        except (URLError, OSError):
            return 0, ""

    def opened(self, name: str, question: object = None) -> HTTPResponse:
        """Open a page, or what a question in JSON is answered with.

        Raises:
            OSError: nothing answers, or it refuses; an `HTTPError` says how.
        """
        port = re.search(r"web server started port=(\d+)", self.log)
        if port is None:
            raise ConnectionRefusedError
        body = None if question is None else json.dumps(question).encode()
        address = f"http://127.0.0.1:{port[1]}/{name}"
        response = urlopen(Request(address, body, {"Content-Type": "application/json"}), timeout=DEADLINE_S)
        assert isinstance(response, HTTPResponse)
        return response

    def metric(self, name: str) -> str:
        """Return a metric as it is printed; empty if there is none."""
        match = re.search(rf"^{re.escape(name)} (\S+)$", self.page("metrics")[1], re.MULTILINE)
        return match[1] if match else ""

    async def ready(self) -> None:
        """Wait until it does its work."""
        await until(lambda: self.status is not None or self.page("readyz")[0] == 200, f"ready; log: {self.log_path}")
        assert self.status is None, f"ended with status {self.status}: {self.log[-4000:]}"

    async def logged(self, text: str, times: int = 1) -> None:
        """Wait until it has written a text."""
        await until(
            lambda: self.status is not None or self.log.count(text) >= times, f"it logs {text!r}; log: {self.log_path}"
        )
        assert text in self.log, f"ended with status {self.status}: {self.log[-4000:]}"

    async def ended(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait until it has ended; return its exit status."""
        await until(lambda: self.status is not None, f"it ends; log: {self.log_path}", deadline_s=deadline_s)
        assert self.status is not None
        return self.status

    async def stopped(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        """Send a signal; return the exit status, and how many seconds it took."""
        start_s = time.monotonic()
        self.signal(number)
        status = await self.ended()
        return status, time.monotonic() - start_s

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def kill(self) -> None:
        """Kill it as a power cut would."""
        self._process.kill()
        self._process.wait(DEADLINE_S)


class Commands:
    """Starts commands of one deployment; created by `deployed`.

    Args:
        environment: the settings that they share, without `REFRAIN_`.
        directory: holds what they keep, and their logs.
    """

    def __init__(self, environment: Mapping[str, str], directory: Path) -> None:
        self.environment = environment
        self._directory = directory
        self._started: list[Command] = []

    def start(self, *arguments: str, sabotage: str = "", **settings: str) -> Command:
        """Start a command.

        Args:
            arguments: of `refrain`.
            sabotage: Python statements that run before it.
            settings: override the deployment's.
        """
        log = self._directory / f"{len(self._started)}-{arguments[0]}.log"
        command = Command(arguments, {**self.environment, **settings}, log, sabotage)
        self._started.append(command)
        return command

    def end(self) -> None:
        """Kill what still runs."""
        for command in self._started:
            command.kill()


@contextmanager
def deployed(bootstrap_servers: str, app_id: str, directory: Path) -> Iterator[Commands]:
    """Name the topics and directories of a deployment; at the end, kill what was started."""
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
        "APP_ID": app_id,
        "PLAYS_TOPIC": f"{app_id}.plays",
        "SHORT_TERM_TOPIC": f"{app_id}.short-term",
        "LONG_TERM_TOPIC": f"{app_id}.long-term",
        "DEAD_LETTER_TOPIC": f"{app_id}.dead-letter",
        "RELEASES_TOPIC": f"{app_id}.releases",
        "CATALOGUE_TOPIC": f"{app_id}.catalogue",
        "PARTITIONS": "2",
        "REPLICATION": "1",
        "STATE_DIR": str(directory / "state"),
        "ARCHIVE_DIR": str(directory / "archive"),
        "RELEASES_URL": str(directory / "releases"),
        "SESSION_TIMEOUT_S": "6",
        "DEVICE": "cpu",
        "WEB_HOST": "127.0.0.1",
        "WEB_PORT": "0",
        "TRAINER_WEB_PORT": "0",
    }
    commands = Commands(settings, directory)
    try:
        yield commands
    finally:
        commands.end()
