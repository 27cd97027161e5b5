"""The contract as documents: JSON schemas of the messages, and an AsyncAPI description of the topics.

Generated from `streamer.wire.messages` and committed in docs/, so that a change of the contract shows in review.
`python -m streamer.wire.asyncapi` regenerates them.
"""

import json
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from streamer.wire.catalogue import TrackRecord
from streamer.wire.letters import DeadLetterHeaders, DiscardHeaders, ForgetHeaders, ReceiptHeaders, ResentHeaders
from streamer.wire.messages import MAX_ID_BYTES, Play, Recommendation, ReleaseNotice

DOCS: Final = Path(__file__).parents[2] / "docs"
CONTRACT_VERSION: Final = "2.1.0"  # of the messages, not of the code: removing or changing a field is a new major

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

_MESSAGES: Final[dict[str, type[msgspec.Struct]]] = {
    "play": Play,
    "recommendation": Recommendation,
    "release-notice": ReleaseNotice,
    "track-record": TrackRecord,
    "resent-headers": ResentHeaders,
    "dead-letter-headers": DeadLetterHeaders,
    "receipt-headers": ReceiptHeaders,
    "discard-headers": DiscardHeaders,
    "forget-headers": ForgetHeaders,
}
_USER_KEY: Final[Json] = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_ID_BYTES,
    "description": "The user id in UTF-8.",
}
_ALIAS_KEY: Final[Json] = {"type": "string", "enum": ["champion", "challenger"]}
_TRACK_KEY: Final[Json] = {
    "type": "string",
    "minLength": 1,
    "maxLength": MAX_ID_BYTES,
    "description": "The track id in UTF-8.",
}
_LETTER_KEY: Final[Json] = {"type": "string", "description": "TOPIC:PARTITION:OFFSET of the rejected play."}
_RECORD_KEY: Final[Json] = {"type": "string", "description": "Unique to this record; names no listener."}
_RAW: Final[Json] = {
    "type": "string",
    "format": "binary",
    "description": "As received, or truncated; may be null.",
}
_IN_JSON: Final = '"contentEncoding": "base64"'  # what msgspec says of bytes
_IN_KAFKA: Final = '"contentEncoding": "binary"'  # what a header is


def render_documents() -> dict[Path, str]:
    """Return the text of each document, by its path below docs/."""
    documents: dict[Path, Json] = {
        Path("schemas") / f"{name}.json": {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            **msgspec.json.schema(message),
        }
        for name, message in _MESSAGES.items()
    }
    documents[Path("asyncapi.json")] = describe_topics()
    texts = {path: json.dumps(document, indent=2, ensure_ascii=False) + "\n" for path, document in documents.items()}
    return {path: text.replace(_IN_JSON, _IN_KAFKA) for path, text in texts.items()}


def describe_topics() -> Json:
    """Describe every topic that others read or write, as AsyncAPI 3.0, under the default names of the settings."""
    _, schemas = msgspec.json.schema_components(tuple(_MESSAGES.values()), ref_template="#/components/schemas/{name}")
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Refrain",
            "version": CONTRACT_VERSION,
            "description": "Plays in, recommendations out. Consumers read with isolation.level=read_committed.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": _channels(),
        "operations": _operations(),
        "components": {"messages": _messages(), "schemas": schemas},
    }


def _channels() -> dict[str, Json]:
    return {
        "plays": _channel(
            "plays",
            "The plays, keyed by listener. All producers use the same partitioner.",
            "delete",
            ["play", "forgetListener", "resentPlay"],
        ),
        "shortTerm": _channel(
            "recommendations.short-term",
            "What to play next; the newest list of each listener is kept. As many partitions as `plays`.",
            "compact",
            ["recommendation", "listenerForgotten"],
        ),
        "longTerm": _channel(
            "recommendations.long-term",
            "What to discover over the coming weeks; otherwise like short-term.",
            "compact",
            ["recommendation", "listenerForgotten"],
        ),
        "deadLetters": _channel(
            "plays.dead-letter",
            "Rejected plays, with the cause in the headers, and what was done with them. No key names a listener.",
            "compact,delete",
            ["deadLetter", "receipt", "letterRemoved", "oldLetterRemoved", "forgetLetters"],
        ),
        "releases": _channel("releases", "Which release each alias names.", "compact", ["releaseNotice"]),
        "catalogue": _channel(
            "catalogue",
            "What tracks are called, and which are withdrawn; the newest record of each track counts. Any number of "
            "partitions. Tombstones must stay: delete.retention.ms is a century.",
            "compact",
            ["trackRecord", "trackWithdrawn"],
        ),
    }


def _channel(address: str, description: str, cleanup_policy: str, messages: list[str]) -> Json:
    policies: list[Json] = [*cleanup_policy.split(",")]
    return {
        "address": address,
        "description": description,
        "messages": {message: {"$ref": f"#/components/messages/{message}"} for message in messages},
        "bindings": {"kafka": {"topicConfiguration": {"cleanup.policy": policies}, "bindingVersion": "0.5.0"}},
    }


def _operations() -> dict[str, Json]:
    """List the operations as AsyncAPI does: `receive` is what Refrain reads, `send` what it writes."""
    operations = {
        "readPlays": ("receive", "plays", "The worker folds each play into a state; the trainer archives it."),
        "recommendShortTerm": ("send", "shortTerm", "The worker answers plays, in one transaction with their states."),
        "recommendLongTerm": ("send", "longTerm", "The worker answers plays, in one transaction with their states."),
        "refusePlays": ("send", "deadLetters", "The worker sets a bad play aside, in the same transaction."),
        "eraseLetters": ("send", "deadLetters", "The trainer or an operator removes letters of forgotten listeners."),
        "sendAgain": ("send", "plays", "An operator re-sends dead letters, in one transaction with their receipts."),
        "promoteRelease": ("send", "releases", "The trainer or an operator moves an alias."),
        "readCatalogue": ("receive", "catalogue", "Workers leave withdrawn tracks out of lists; names are shown."),
        "writeCatalogue": ("send", "catalogue", "`refrain catalogue` writes what an operator has; so may others."),
        "takeUpRelease": ("receive", "releases", "Each worker takes up the champion, without a restart."),
    }  # fmt: skip
    return {
        name: {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}
        for name, (action, channel, summary) in operations.items()
    }


def _messages() -> dict[str, Json]:
    null: Json = {"type": "null"}
    letter = _message("A rejected play", _LETTER_KEY, _RAW)
    letter["headers"] = _schema_of(DeadLetterHeaders)
    receipt = _message("A dead letter was re-sent to `plays`; the value is empty", _RECORD_KEY, _RAW)
    receipt["headers"] = _schema_of(ReceiptHeaders)
    removed = _message("A dead letter without a key of its own was removed; the value is empty", _RECORD_KEY, _RAW)
    removed["headers"] = _schema_of(DiscardHeaders)
    forget = _message("The listener whose user id is the value was forgotten: remove their letters", _RECORD_KEY, _RAW)
    forget["headers"] = _schema_of(ForgetHeaders)
    resent = _message("A play that an operator re-sent", _USER_KEY, _schema_of(Play))
    resent["headers"] = _schema_of(ResentHeaders)
    return {
        "play": _message("A listener played a track", _USER_KEY, _schema_of(Play)),
        "forgetListener": _message("Forget this listener: a null value", _USER_KEY, null),
        "recommendation": _message("A ranked list with its lineage", _USER_KEY, _schema_of(Recommendation)),
        "listenerForgotten": _message("The listener was forgotten: a null value", _USER_KEY, null),
        "trackRecord": _message("What a track is", _TRACK_KEY, _schema_of(TrackRecord)),
        "trackWithdrawn": _message("The track leaves all lists: a null value", _TRACK_KEY, null),
        "releaseNotice": _message("An alias names a release", _ALIAS_KEY, _schema_of(ReleaseNotice)),
        "resentPlay": resent,
        "deadLetter": letter,
        "receipt": receipt,
        "letterRemoved": _message("The record with this key was removed: a null value", _LETTER_KEY, null),
        "oldLetterRemoved": removed,
        "forgetLetters": forget,
    }


def _message(title: str, key: Json, value: Json) -> dict[str, Json]:
    return {"title": title, "payload": value, "bindings": {"kafka": {"key": key, "bindingVersion": "0.5.0"}}}


def _schema_of(message: type[msgspec.Struct]) -> Json:
    return {"$ref": f"#/components/schemas/{message.__name__}"}


def main(docs: Path = DOCS) -> None:
    """Write every document."""
    for path, text in render_documents().items():
        (docs / path).parent.mkdir(parents=True, exist_ok=True)
        (docs / path).write_text(text)


if __name__ == "__main__":
    main()
