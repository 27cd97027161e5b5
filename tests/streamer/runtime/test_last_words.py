"""What a process said when it crashed, as the next start finds it; each process here is a real one."""

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from streamer.errors import ContractError
from streamer.runtime.last_words import keep_last_words

_START = """
import logging, os, pathlib, sys
from streamer.errors import ContractError
from streamer.runtime.crash import crash, refuse
from streamer.runtime.last_words import keep_last_words
with keep_last_words(pathlib.Path(sys.argv[1])) as words:
"""


def end(directory: Path, body: str) -> None:
    """Run a process that ends with `body`."""
    subprocess.run(
        [sys.executable, "-c", f"{_START}    {body}", str(directory)], capture_output=True, check=False, timeout=60
    )


def causes(directory: Path) -> dict[str, int]:
    with keep_last_words(directory) as words:
        return dict(words.past.num_crashes)


def test_crashes_are_counted_by_cause_over_all_runs(tmp_path: Path) -> None:
    end(tmp_path, "crash('the batch of partition 3 was not committed', TimeoutError())")
    end(tmp_path, "crash('the process was frozen for 17.5 s, longer than its session; start again')")
    end(tmp_path, "crash('the process was frozen for 9.2 s, longer than its session; start again')")
    end(tmp_path, "refuse(ContractError('the topic was recreated'))")

    assert causes(tmp_path) == {"TimeoutError": 1, "the process was frozen for N s": 2, "refused": 1}


def test_a_process_without_last_words_was_killed(tmp_path: Path) -> None:
    end(tmp_path, "os.kill(os.getpid(), 9)")

    assert causes(tmp_path) == {"killed": 1}


def test_a_process_that_was_asked_to_stop_has_not_crashed(tmp_path: Path) -> None:
    end(tmp_path, "words.stop(); os._exit(1)")
    end(tmp_path, "pass")

    assert causes(tmp_path) == {}


def test_the_next_start_says_why_the_last_run_crashed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    end(tmp_path, "crash('the disk is gone', OSError(5, 'I/O error'))")

    with keep_last_words(tmp_path, clock=lambda: 77.0) as words:
        assert words.past.last_message == "crash: the disk is gone"
    with keep_last_words(tmp_path):
        pass

    assert caplog.messages == ["the last run crashed cause=OSError: crash: the disk is gone"]


def test_an_error_that_nobody_expected_is_a_crash_and_one_for_an_operator_is_none(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), keep_last_words(tmp_path):
        raise ZeroDivisionError
    with pytest.raises(ContractError), keep_last_words(tmp_path):
        raise ContractError("the topic was recreated")

    assert causes(tmp_path) == {"ZeroDivisionError": 1}


@pytest.mark.parametrize("content", [b"", b"{", b'{"ended": 3}'])
def test_a_damaged_file_counts_as_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "last-words.json").write_bytes(content)

    assert causes(tmp_path) == {}


@pytest.mark.parametrize(
    "body", ["os.mkfifo(words._path.with_name('last-words.json.new')); crash('it hangs')", r"crash('\ud83d')"]
)
def test_neither_a_disk_that_hangs_nor_a_message_that_is_no_unicode_keeps_a_process_from_ending(
    tmp_path: Path, body: str
) -> None:
    end(tmp_path, body)

    assert b'"ended":"running"' in (tmp_path / "last-words.json").read_bytes()


def test_a_disk_that_cannot_be_written_stops_no_process(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with keep_last_words(tmp_path / "missing"):
        logging.getLogger("streamer.runtime.crash").critical("crash: on a disk that is gone")

    assert "crash: on a disk that is gone" in caplog.messages
