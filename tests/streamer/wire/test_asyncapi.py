"""The documents in docs/: up to date, and true of what the code reads and writes."""

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import msgspec
import pytest

from streamer.settings import Settings
from streamer.wire.asyncapi import DOCS, main, render_documents
from streamer.wire.messages import RankedTrack, Recommendation
from streamer.wire.plays import decode

PLAY = {"user_id": "u17", "track_id": "t9", "played_at": 1_795_469_401_000}


def document(name: str) -> Any:
    return json.loads((DOCS / name).read_text())


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        yield from ([node["$ref"]] if "$ref" in node else [])
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from references(child)


def test_the_committed_documents_are_up_to_date() -> None:
    paths = [DOCS / "asyncapi.json", *(DOCS / "schemas").iterdir()]
    committed = {path.relative_to(DOCS): path.read_text() for path in paths}

    assert committed == render_documents(), "run `python -m streamer.wire.asyncapi`"


def test_writing_the_documents_creates_their_directories(tmp_path: Any) -> None:
    main(tmp_path / "docs")

    assert (tmp_path / "docs" / "schemas" / "play.json").exists()


@pytest.mark.parametrize("name", ["play", "recommendation", "release-notice", "dead-letter-headers"])
def test_each_schema_is_a_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(document(f"schemas/{name}.json"))


def test_every_reference_leads_somewhere() -> None:
    described = document("asyncapi.json")

    for reference in references(described):
        node = described
        for step in reference.removeprefix("#/").split("/"):
            node = node[step]


def test_the_topics_described_are_those_of_the_settings() -> None:
    settings = Settings()

    assert {channel["address"] for channel in document("asyncapi.json")["channels"].values()} == {
        settings.plays_topic,
        settings.short_term_topic,
        settings.long_term_topic,
        settings.dead_letter_topic,
        settings.releases_topic,
        settings.catalogue_topic,
    }


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"played_at": "2026-11-23T21:30:01Z"},
        {"context": "radio", "ms_played": 0, "skipped": None, "more": 1},
        {"user_id": ""},
        {"track_id": 3},
        {"played_at": None},
        {"ms_played": -1},
    ],
)
def test_the_schema_accepts_what_the_worker_accepts(fields: dict[str, Any]) -> None:
    play = PLAY | fields
    validator = jsonschema.Draft202012Validator(document("schemas/play.json"))

    decoded = decode([str(play["user_id"]).encode()], [json.dumps(play).encode()], [1_795_469_401_000], [0])

    assert validator.is_valid(play) == (decoded.rejects == [])


def test_a_recommendation_fits_its_schema() -> None:
    recommendation = Recommendation("u17", "long-term", (RankedTrack("t9", 0.5),), "r1", 1, 0, 0, 1, 2)

    jsonschema.validate(json.loads(msgspec.json.encode(recommendation)), document("schemas/recommendation.json"))
