import io
import sys

import pytest

from streamer.runtime.questions import is_confirmed


@pytest.mark.parametrize(
    ("answer", "is_yes"), [("y\n", True), (" YES\n", True), ("\n", False), ("", False), ("no\n", False)]
)
def test_only_a_yes_is_a_yes(
    answer: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, is_yes: bool
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))

    assert is_confirmed("Go on?") is is_yes
    assert capsys.readouterr().err == "Go on? [y/N] "
