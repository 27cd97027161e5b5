"""What tests of processes that end themselves share."""

import pytest

from streamer.worker import engine


@pytest.fixture
def crashes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let an engine's crash raise SystemExit, since the real one would end the test run too."""

    def told(reason: str, cause: BaseException | None = None) -> None:
        raise SystemExit(reason) from cause

    monkeypatch.setattr(engine, "crash", told)
