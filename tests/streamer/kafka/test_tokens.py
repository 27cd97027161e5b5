from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path

import pytest
from aiokafka.errors import AuthenticationFailedError

from streamer.errors import SettingsError
from streamer.kafka import tokens as tokens_module
from streamer.kafka.tokens import find_tokens


def give() -> str:
    return " provided \n"


async def test_a_file_is_read_again_for_every_token(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("first\n")
    tokens = find_tokens(str(file), "")
    assert tokens is not None

    first = await tokens.token()
    file.write_text("second")
    second = await tokens.token()
    file.write_text("\n")

    assert (first, second) == ("first", "second")
    with pytest.raises(AuthenticationFailedError, match="gives an empty token"):
        await tokens.token()
    file.unlink()
    with pytest.raises(AuthenticationFailedError, match="gives no token: FileNotFoundError"):
        await tokens.token()


async def test_an_entry_point_gives_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    points = [EntryPoint("ours", f"{__name__}:give", tokens_module.GROUP),
              EntryPoint("broken", "nowhere:give", tokens_module.GROUP)]  # fmt: skip
    monkeypatch.setattr(tokens_module, "entry_points", lambda *, group: EntryPoints(points).select(group=group))
    monkeypatch.setattr(EntryPoint, "load", lambda point: {"ours": give}[point.name])

    tokens = find_tokens("", "ours")

    assert tokens is not None
    assert await tokens.token() == "provided"
    with pytest.raises(SettingsError, match="'broken': it cannot be loaded"):
        find_tokens("", "broken")
    with pytest.raises(SettingsError, match="there are: broken, ours"):
        find_tokens("", "theirs")


def test_without_a_source_there_are_no_tokens() -> None:
    assert find_tokens("", "") is None
