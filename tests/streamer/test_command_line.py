"""What all commands have in common."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from streamer.command_line import COMMANDS, main, refrain
from streamer.operations.offsets import offsets
from streamer.runtime.commands import Command
from streamer.runtime.drawn_help import draw_help
from streamer.runtime.statuses import Status
from streamer.settings import Settings

ROOT = click.Context(refrain, info_name="refrain")


def commands(group: click.Group = refrain, parent: click.Context = ROOT) -> Iterator[tuple[str, click.Command]]:
    """Yield each command that can be run, with the words that run it."""
    for name in group.list_commands(parent):
        command = group.get_command(parent, name)
        assert command is not None
        ctx = click.Context(command, parent, name)
        if isinstance(command, click.Group):
            yield from commands(command, ctx)
        else:
            yield ctx.command_path, command


def end(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return ended.value.code


def test_a_command_is_listed_with_the_first_sentence_of_its_help() -> None:
    for name, (_, line) in COMMANDS.items():
        command = refrain.get_command(ROOT, name)

        assert command is not None
        assert command.name == name
        assert command.get_short_help_str(limit=200).rstrip(".") == line


@pytest.mark.parametrize(("path", "command"), list(commands()), ids=lambda each: each if isinstance(each, str) else "")
def test_help_has_an_example_and_names_settings_that_exist(path: str, command: click.Command) -> None:
    assert isinstance(command, Command)
    assert command.examples
    assert all(path in example for example in command.examples)
    assert set(command.reads) <= set(Settings.model_fields)
    assert len(command.help or "") > 20


def test_the_list_of_commands_waits_for_no_package() -> None:
    listing = "from streamer.command_line import main\ntry: main(['--help'])\nexcept SystemExit: pass\nimport sys\n"
    waits = "sys.exit(str({'aiokafka', 'numpy', 'pydantic', 'rich'} & {*sys.modules}))"

    done = subprocess.run([sys.executable, "-c", listing + waits], capture_output=True, text=True, check=False)

    assert done.stderr.strip() == "set()"
    assert "dead-letters  List" in done.stdout


def test_a_terminal_has_help_in_boxes() -> None:
    drawn = draw_help(click.Context(offsets, ROOT, "offsets"))

    assert "╭─ Commands" in drawn
    assert drawn.index("Show what topic") < drawn.index("Let partitions continue")
    assert "refused: a restart changes nothing" in drawn


def test_a_terminal_without_rich_has_plain_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich_click", None)
    monkeypatch.delitem(sys.modules, "streamer.runtime.drawn_help", raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    end("offsets", "reset", "--help")

    assert capsys.readouterr().out.startswith("Usage: refrain offsets reset [OPTIONS]\n")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("ofsets show", "no such command: ofsets; did you mean offsets?; see refrain --help"),
        ("offsets list", "no such command: list; choose from show, reset; see refrain offsets --help"),
        ("trainer --one", "no such option: --one; did you mean --once?; see refrain trainer --help"),
        ("releases show", "Missing argument 'ID'; see refrain releases show --help"),
        ("offsets", "name a command"),
    ],
)
def test_what_was_mistyped_is_said_in_a_line(typed: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert end(*typed.split()) == Status.MISUSED

    assert capsys.readouterr().err.splitlines()[-1] == f"refrain: {said}"


@pytest.mark.parametrize("command", ["offsets reset --to latest", "dead-letters discard --all"])
def test_what_destroys_asks_and_is_refused_where_nobody_answers(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REFRAIN_KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")

    assert end(*command.split()) == Status.MISUSED

    assert "nobody is there to ask: add --yes" in capsys.readouterr().err


def test_the_version_is_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert end("--version") == Status.DONE

    version = (Path(__file__).parents[2] / "pyproject.toml").read_text().partition('\nversion = "')[2].partition('"')[0]
    assert capsys.readouterr().out == f"refrain {version}\n"


def test_a_shell_completes_commands_and_options(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["completion", "bash"])
    assert "_REFRAIN_COMPLETE=bash_complete" in capsys.readouterr().out

    monkeypatch.setenv("_REFRAIN_COMPLETE", "bash_complete")
    for words, ending in (("refrain off", "plain,offsets"), ("refrain offsets reset --pa", "plain,--partition")):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))

        assert end() == Status.DONE
        assert capsys.readouterr().out == f"{ending}\n"
