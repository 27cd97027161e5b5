"""A reader who does what a page says: block after block in one shell, others beside it, in an empty folder."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final, Self

from tests.docs.snippets import Snippet
from tests.until import wait_until

_DEADLINE_S: Final = 280.0
_PAUSE_S: Final = 1.0
_STOP_S: Final = 30.0

#: The variables of a shell outlive a block, as they do for whoever types it.
_EXPORTS: Final = ".exports"
_BEGIN: Final = f"set -euo pipefail; [ ! -f {_EXPORTS} ] || source {_EXPORTS}\n"
_END: Final = f"\ndeclare -px > {_EXPORTS}"


class Reader:
    """Runs the blocks of a page.

    Args:
        folder: empty.
        environment: variables beside those of this process; `REFRAIN_` variables of this process are not passed on.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("REFRAIN_")}
        tools = Path(sys.executable).parent
        path = {"PATH": f"{tools}:{inherited['PATH']}", "PYTHONUNBUFFERED": "1"}
        self._environment = {**inherited, **environment, **path}
        (folder / ".venv").symlink_to(tools.parent)
        self._beside: list[tuple[subprocess.Popen[bytes], IO[bytes]]] = []

    def do(self, snippet: Snippet) -> None:
        """Do what a block is for.

        Raises:
            AssertionError: it failed, or did not say what it should.
        """
        match snippet.fate:
            case "run":
                self._run(snippet)
            case "until":
                self._run_until(snippet)
            case "stays":
                self._start(snippet)
            case "file":
                (self._folder / snippet.note).write_text(snippet.code)
            case "not here":
                pass

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """End what stays, as Ctrl-C does."""
        for process, output in self._beside:
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            output.close()

    def _run(self, snippet: Snippet) -> str:
        done = subprocess.run(
            self._command(snippet), cwd=self._folder, env=self._environment, timeout=_DEADLINE_S, check=False,
            text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert done.returncode == 0, f"{snippet} ended with status {done.returncode}\n{done.stdout}"
        return done.stdout

    def _run_until(self, snippet: Snippet) -> None:
        ends_s = time.monotonic() + _DEADLINE_S
        while snippet.note not in (said := self._run(snippet)):
            assert time.monotonic() < ends_s, f"{snippet} does not say {snippet.note!r}\n{said}"
            time.sleep(_PAUSE_S)  # as a reader would

    def _start(self, snippet: Snippet) -> None:
        log = self._folder / f".{snippet.line}.log"
        output = log.open("wb")
        process = subprocess.Popen(
            self._command(snippet), cwd=self._folder, env=self._environment, start_new_session=True,
            stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        self._beside.append((process, output))

        def said_it() -> bool:
            assert process.poll() is None, f"{snippet} ended\n{log.read_text()}"
            return snippet.note in log.read_text()

        wait_until(said_it, f"{snippet} says {snippet.note!r}", deadline_s=_DEADLINE_S)

    def _command(self, snippet: Snippet) -> list[str]:
        if snippet.language == "python":
            return ["python", "-c", snippet.code]
        return ["bash", "-c", f"{_BEGIN}{snippet.code}{'' if snippet.fate == 'stays' else _END}"]
