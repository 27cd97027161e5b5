"""Every code block of the documentation runs, or is checked as far as it can be."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamer.local.devkafka import DevKafka
from streamer.local.ports import free_port
from tests.docs.commands import complaints
from tests.docs.reader import Reader
from tests.docs.site import ROOT, configuration, pages_of
from tests.docs.snippets import SnippetError, snippets_of


def is_run(page: Path) -> bool:
    try:
        return any(snippet.fate != "not here" for snippet in snippets_of(page))
    except SnippetError:
        return False  # the test of its commands says why


PAGES = [ROOT / name for name in pages_of(configuration()["nav"])]
RUN = [page for page in PAGES if is_run(page)]

#: What makes a page quicker to try, and changes nothing that it says.
QUICKER = {
    "REFRAIN_TRAIN_EPOCHS": "2",
    "REFRAIN_TRAINER_WEB_PORT": "0",
    "REFRAIN_PARTITIONS": "2",
}


@pytest.fixture
def kafka_of_the_page(tmp_path: Path) -> Iterator[DevKafka]:
    """Run a broker on which nothing has been done: topics on the pages have their usual names."""
    with DevKafka(tmp_path / "kafka") as broker:
        yield broker


@pytest.mark.kafka
@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("page", RUN, ids=lambda page: page.stem)
def test_who_does_what_a_page_says_gets_what_it_says(page: Path, kafka_of_the_page: DevKafka, tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    port = free_port()
    at = {
        "REFRAIN_KAFKA_BOOTSTRAP_SERVERS": kafka_of_the_page.bootstrap_servers,
        "REFRAIN_WEB_PORT": str(port),
        "WORKER": f"http://127.0.0.1:{port}",  # what docs/http.md calls it
    }

    with Reader(folder, QUICKER | at) as reader:
        for snippet in snippets_of(page):
            reader.do(snippet)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_on_a_page_exist_and_take_their_arguments(page: Path) -> None:
    for snippet in snippets_of(page):
        if snippet.language == "python":
            ast.parse(snippet.code)
        else:
            assert complaints(snippet.code) == [], str(snippet)


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("refrain trian --once", "did you mean train"),
        ("REFRAIN_APP_ID=a .venv/bin/refrain train plays.csv --epoch 3 > log", "--epoch"),
        ("refrain offsets reset | tail", "--to"),
        ("make sight", "make has no sight"),
        ("kubectl apply -k k8s/overlays/desktop", "there is no k8s/overlays/desktop"),
        ("if true; then", "syntax error"),
    ],
)
def test_a_command_that_does_not_exist_is_found(code: str, complaint: str) -> None:
    (found,) = complaints(code)

    assert complaint in found


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("    indented\n", "fence the block"),
        ("```\nno language\n```\n", "fence the block"),
        ("<!-- snippet: skip -->\n\n```sh\nls\n```\n", "is none of run, until"),
        ("<!-- snippet: not here -->\n\n```sh\nls\n```\n", "lacks a name or a reason"),
        ('<!-- snippet: file a.py -->\n\nText.\n', "no block follows"),
    ],
)  # fmt: skip
def test_a_block_that_nobody_would_run_is_refused(tmp_path: Path, page: str, complaint: str) -> None:
    (tmp_path / "page.md").write_text(page)

    with pytest.raises(SnippetError, match=complaint):
        snippets_of(tmp_path / "page.md")
