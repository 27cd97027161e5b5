"""docs/access.md: its ACLs are those that a worker checks, and its settings are accepted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from streamer.kafka.rights import worker_rights
from streamer.settings import Settings
from tests.docs.commands import commands_in
from tests.docs.site import ROOT
from tests.docs.snippets import fences_of, snippets_of

PAGE: Final = ROOT / "docs" / "access.md"
EXAMPLES: Final = [code for language, code in fences_of(PAGE) if language == "properties"]
OPTIONS: Final = {"--topic": "topic", "--group": "group", "--transactional-id": "transactional id"}


def acls() -> Iterator[tuple[str, str, str, bool]]:
    """Yield operation, resource, name and whether it is a prefix, of each ACL on the page."""
    for snippet in snippets_of(PAGE):
        for program, *words in commands_in(snippet.code):
            assert program == "kafka-acls"
            assert words.pop(0) == "--add"
            pairs = list(zip(words[::2], words[1::2], strict=True))
            is_prefix = ("--resource-pattern-type", "prefixed") in pairs
            for option, name in pairs:
                if option in OPTIONS:
                    yield from (
                        (given, OPTIONS[option], name, is_prefix) for key, given in pairs if key == "--operation"
                    )


def test_the_acls_on_the_page_are_those_of_a_worker() -> None:
    wanted = [(right.operation, right.resource, right.name, right.is_prefix) for right in worker_rights(Settings())]

    assert sorted(acls()) == sorted(wanted)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.splitlines()[0])
def test_the_settings_on_the_page_are_accepted(example: str, tmp_path: Path) -> None:
    given = dict(line.split("#")[0].strip().split("=", 1) for line in example.splitlines())
    for name, path in given.items():
        if path.startswith("/"):  # a file, which must be readable
            given[name] = str(tmp_path / Path(path).name)
            Path(given[name]).write_text("secret")

    settings = Settings.from_environment(given)

    assert settings.kafka_security_protocol == given["REFRAIN_KAFKA_SECURITY_PROTOCOL"]
