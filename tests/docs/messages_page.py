"""docs/messages.md: every message on every topic, field by field, from the contract that the codec declares.

`python -m tests.docs.messages_page` (or `make public`) writes it.
"""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from streamer.wire.asyncapi import describe_topics
from streamer.wire.catalogue import TrackRecord
from streamer.wire.messages import Play, RankedTrack, Recommendation, ReleaseNotice
from tests.docs.site import ROOT

PAGE: Final = ROOT / "docs" / "messages.md"

#: A message of each kind with a JSON value, as it is on the wire.
EXAMPLES: Final[Mapping[str, msgspec.Struct]] = {
    "Play": Play("u17", "artist - title", 1_795_944_042_000, context="album", ms_played=181_000, duration_ms=200_000),
    "Recommendation": Recommendation(
        "u17",
        "short-term",
        (RankedTrack("artist - next title", 1.0), RankedTrack("artist - another", 0.4183)),
        release="20261129T091945.685Z-050c0ea8",
        plays_seen=412,
        source_partition=3,
        source_offset=90_125,
        played_at=1_795_944_042_000,
        emitted_at=1_795_944_042_031,
    ),
    "TrackRecord": TrackRecord(
        "Idioteque", ("Radiohead",), "Kid A", "2000-10-02", 309_000, "https://example.com/kid-a.jpg", ("electronic",)
    ),
    "ReleaseNotice": ReleaseNotice("20261129T091945.685Z-050c0ea8", "20261129T091945.685Z-050c0ea8", "5f" * 32),
}

_HEAD: Final = """\
# Messages

Written by `make public` from the codec; a test fails when it differs. [asyncapi.json](asyncapi.json) says the same to
programs, and [schemas/](schemas) has a JSON schema of each message. The names of topics are the defaults. Readers set
`isolation.level=read_committed`. Unknown fields are ignored; new optional ones may come with any version.
"""

_KINDS: Final = {"date-time": "RFC 3339"}


def render_page() -> str:
    """Return the whole page."""
    contract: Any = describe_topics()
    described: dict[str, str] = {}
    sections = (_channel(channel, contract["components"], described) for channel in contract["channels"].values())
    return _HEAD + "".join(sections)


def _channel(channel: Any, components: Any, described: dict[str, str]) -> str:
    policy = ",".join(channel["bindings"]["kafka"]["topicConfiguration"]["cleanup.policy"])
    sections = [
        _message(components["messages"][name], components["schemas"], described) for name in channel["messages"]
    ]
    return f"\n## {channel['address']}\n\n{channel['description']} `cleanup.policy={policy}`\n" + "".join(sections)


def _message(message: Any, schemas: Any, described: dict[str, str]) -> str:
    """Describe a message; `described` are titles by the names of structs that the page has already described."""
    key = message["bindings"]["kafka"]["key"]
    says = key.get("description") or " or ".join(f"`{choice}`" for choice in key["enum"])
    parts = [f"### {message['title']}", f"Key: {says}"]
    name = _referred(message["payload"])
    if name in described:
        parts.append(f"Value: as of [{described[name].lower()}](#{described[name].lower().replace(' ', '-')}).")
    elif name:
        described[name] = message["title"]
        parts += list(_struct(name, schemas))
    elif "description" in message["payload"]:
        parts.append(f"Value: {message['payload']['description']}")
    if headers := _referred(message.get("headers", {})):
        parts += ["Headers:", _table(schemas[headers], schemas)]
    return "\n" + "\n\n".join(parts) + "\n"


def _struct(name: str, schemas: Any) -> Iterator[str]:
    yield f"Value: {schemas[name]['description']}"
    yield _table(schemas[name], schemas)
    example = json.loads(msgspec.json.encode(EXAMPLES[name]))
    given = {field: value for field, value in example.items() if value is not None}
    yield f"```json\n{json.dumps(given, indent=2)}\n```"


def _table(schema: Any, schemas: Any) -> str:
    rows = ["| field | type | required | |", "| --- | --- | --- | --- |"]
    for field, of in schema["properties"].items():
        required = "yes" if field in schema["required"] else ""
        rows.append(f"| `{field}` | {_kind(of, schemas)} | {required} | {_notes(of)} |")
        if below := _referred(of.get("items", {})):
            rows += [
                f"| `{field}[].{name}` | {_kind(each, schemas)} | yes | {_notes(each)} |"
                for name, each in schemas[below]["properties"].items()
            ]
    return "\n".join(rows)


def _kind(of: Any, schemas: Any) -> str:
    if name := _referred(of):
        return _kind(schemas[name], schemas)
    if "enum" in of:
        return ", ".join(f"`{choice}`" for choice in of["enum"])
    if "anyOf" in of:
        return " or ".join(kind for each in of["anyOf"] if (kind := _kind(each, schemas)) != "null")
    if "contentEncoding" in of:
        return "bytes"
    return str(_KINDS.get(of.get("format", "")) or of.get("type", ""))


def _notes(of: Any) -> str:
    notes = [of.get("description", ""), *(each.get("description", "") for each in of.get("anyOf", ()))]
    if "examples" in of:
        notes.append(f"For example {', '.join(f'`{example}`' for example in of['examples'])}.")
    return " ".join(note for note in notes if note).replace("|", "\\|")


def _referred(of: Any) -> str:
    reference: str = of.get("$ref", "")
    return reference.rpartition("/")[2]


def main() -> None:
    """Write docs/messages.md."""
    PAGE.write_text(render_page())


if __name__ == "__main__":
    main()
