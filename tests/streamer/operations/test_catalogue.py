"""`catalogue load`, `show` and `withdraw` on a real broker."""

import asyncio
import json
from pathlib import Path

import pytest

from streamer.errors import ContractError
from streamer.kafka.topics import ensure_topics
from streamer.local.devkafka import DevKafka
from streamer.operations.catalogue import catalogue
from streamer.settings import Settings
from tests.commands import run_here
from tests.onkafka import settings_on

RECORDS = """
{"track_id": "t1", "title": "Idioteque", "artists": ["Radiohead"], "album": "Kid A", "isrc": "GBAYE0000792"}
{"track_id": "t2", "title": 7}
{"track_id": "Artist - t06", "title": "Ours"}
no JSON
"""
EXPORT = Path(__file__).parents[2] / "cases" / "files" / "13-one-person.csv"


@pytest.fixture
def settings(kafka: DevKafka, topic_prefix: str) -> Settings:
    return settings_on(kafka.bootstrap_servers, topic_prefix, partitions=1, replication=1)


def run(settings: Settings, capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    capsys.readouterr()
    run_here(catalogue, settings, *arguments)
    return capsys.readouterr().out


@pytest.mark.kafka
def test_what_is_loaded_is_shown_and_an_export_fills_only_what_is_not_there(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asyncio.run(ensure_topics(settings))
    (tmp_path / "tracks.jsonl").write_text(RECORDS)

    loaded = run(settings, capsys, "load", str(tmp_path / "tracks.jsonl"))
    assert loaded.startswith(
        f"2 records written to {settings.catalogue_topic}\n2 refused, as the topic would; the first"
    )
    assert "tracks.jsonl:3: Expected `str | null`, got `int`" in loaded
    assert "1 withdrawn" in run(settings, capsys, "withdraw", "Artist - t13", "--yes")
    run(settings, capsys, "load", str(EXPORT))
    run(settings, capsys, "load", str(EXPORT))

    lines = run(settings, capsys, "show", "t1", "Artist - t06", "Artist - t13", "Artist - t09", "none").splitlines()
    assert [line[25:] for line in lines] == ["Radiohead: Idioteque (Kid A)", "Ours", "withdrawn", "Artist: t09"]
    (shown,) = json.loads(run(settings, capsys, "show", "t1", "--json"))["tracks"]
    assert (shown["title"], shown["artists"], shown["is_withdrawn"]) == ("Idioteque", ["Radiohead"], False)
    assert len(run(settings, capsys, "show").splitlines()) > 5

    (tmp_path / "back.jsonl").write_text('{"track_id": "Artist - t13", "title": "Back"}')
    run(settings, capsys, "load", str(tmp_path / "back.jsonl"))
    assert run(settings, capsys, "show", "Artist - t13").endswith("Back\n")


@pytest.mark.kafka
def test_a_catalogue_that_is_not_there_is_refused_and_not_created(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        with pytest.raises(ContractError, match=f"there is no topic {settings.catalogue_topic}"):
            run(settings, capsys, "withdraw", "t1", "--yes")
