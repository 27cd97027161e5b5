"""What the trainer is at, read from the log it writes."""

import re
from pathlib import Path
from typing import Final

_STAGES: Final = (
    (re.compile(r"trainer started"), "reads what was played"),
    (re.compile(r"fit begins"), "learns item vectors"),
    (re.compile(r"fit of the second stage begins"), "asks what the second stage is to learn"),
    (re.compile(r"fit epoch=(\d+) of=(\d+) loss=\S+ stage=(.+)"), "has done epoch {} of {} of the {}"),
    (re.compile(r"fit done, judging"), "judges the new weights"),
    (re.compile(r"release refused: (.*)"), "refused: {}"),
    (re.compile(r"no fit: (.*)"), "no fit: {}"),
    (re.compile(r"release published"), "gathers plays for the next one"),
)


class TrainerLog:
    """Follows the trainer's log.

    Args:
        path: of the log; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._stage = ""

    def stage(self) -> str:
        """Say what the trainer is at, in a few words; nothing before it has started."""
        if not self._path.exists():
            return self._stage
        with self._path.open("rb") as log:
            log.seek(self._position)
            for line in log:
                if not line.endswith(b"\n"):  # half a line: the rest comes next time
                    break
                self._position += len(line)
                self._note(line.decode(errors="replace"))
        return self._stage

    def _note(self, line: str) -> None:
        for pattern, words in _STAGES:
            if (match := pattern.search(line)) is not None:
                self._stage = words.format(*match.groups())
