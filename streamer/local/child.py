"""A child process that never outlives its owner, even an owner killed with SIGKILL."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

_LOG_TAIL_LINES: Final = 25
_BY_SIGNAL: Final = 128  # plus its number: the status of a command that a signal killed, as shells have it

# The child's parent. A pipe that closes with the owner is the one sign of a death by SIGKILL that Linux and macOS
# share, and that does not mistake the end of the owner's thread for it, as PR_SET_PDEATHSIG does. A parent of its own
# (rather than a sibling that knows the pid) can never signal a stranger. `t`, or the end of the pipe: stop; `k`: kill.
# Whoever kills the child by its command line may hit the watchdog, which on Linux then takes the child with it.
_WATCHDOG: Final = """
import ctypes, os, signal, subprocess, sys, threading
libc = ctypes.CDLL(None)
def die_with_parent():
    libc.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
child = subprocess.Popen(
    sys.argv[1:], stdin=subprocess.DEVNULL, preexec_fn=die_with_parent if sys.platform == "linux" else None
)
def obey():
    if os.read(0, 1) == b"k":
        child.kill()
    child.terminate()
    try:
        child.wait(60)
    except subprocess.TimeoutExpired:
        child.kill()
threading.Thread(target=obey, daemon=True).start()
status = child.wait()
sys.exit(status if status >= 0 else 128 - status)
"""


class ChildProcess:
    """A command running below a watchdog, which ends it with its owner.

    Stop or kill it in the end, even if it has ended by itself. Only `wait` may run in another thread.

    Args:
        command: what to run.
        log: the file for its standard output and error; appended to.
        environment: of the command; None: that of its owner.
    """

    def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None) -> None:
        self._log = log
        with log.open("ab") as output:
            self._log_start = output.tell()
            self._watchdog = subprocess.Popen(  # noqa: S603 - our own command
                [sys.executable, "-I", "-S", "-c", _WATCHDOG, *command],
                env=environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,  # Ctrl-C reaches the owner, who stops its children in order
            )

    @property
    def status(self) -> int | None:
        """The exit status of the command, as of a shell: 128 and the signal that killed it; None while it runs."""
        return None if self._watchdog.poll() is None else self.wait()

    def wait(self) -> int:
        """Wait until the command ends; return its status."""
        status = self._watchdog.wait()
        return status if status >= 0 else _BY_SIGNAL - status

    def request_stop(self) -> None:
        """Send SIGTERM and return at once; a child that has not ended 60 s later is killed."""
        self._send(b"t")

    def stop(self) -> None:
        """Send SIGTERM and wait until the child has ended; nothing happens if it already has."""
        self.request_stop()
        self.wait()

    def kill(self) -> None:
        """Send SIGKILL and wait until the child has ended; nothing happens if it already has."""
        self._send(b"k")
        self.wait()

    def read_output(self) -> bytes:
        """Return what it has written to its log since its start."""
        return self._log.read_bytes()[self._log_start :]

    def last_words(self) -> str:
        """Quote the end of its log."""
        return last_words(self._log)

    def _send(self, command: bytes) -> None:
        """Send the watchdog its one command."""
        pipe = self._watchdog.stdin
        assert pipe is not None, "it was made with a pipe"
        if not pipe.closed:
            with contextlib.suppress(BrokenPipeError), pipe:  # the child has ended by itself
                pipe.write(command)


def describe_end(status: int) -> str:
    """Say how a command with this status ended, as in `worker-0 was killed by signal 9 (SIGKILL)`."""
    try:
        sign = signal.Signals(status - _BY_SIGNAL)
    except ValueError:
        return f"ended by itself with status {status}"
    return f"was killed by signal {sign.value} ({sign.name})"


def last_words(log: Path) -> str:
    """Quote the end of a log."""
    tail = "".join(log.read_text(errors="replace").splitlines(keepends=True)[-_LOG_TAIL_LINES:])
    return f"The end of {log} says:\n{tail}"
