"""The questions as a document, OpenAPI 3.1, made of the table of routes and the structs that it names."""

import re
from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final, TypeAlias

import msgspec

from streamer.queries.problems import STATUSES
from streamer.queries.routes import EVENTS, JSON, Right, Route
from streamer.wire.views_access import Failure

#: Of the questions, not of the code: removing or changing a field is a new major, and a new path.
VERSION: Final = "1.0.0"

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

_REF: Final = "#/components/schemas/{name}"
_ABOUT: Final = (
    "What a worker of Refrain says of listeners, of itself and of the releases. Without tokens, only requests from the "
    "same machine to a loopback address are answered; see docs/http.md. What is asked by GET, but for events, takes "
    "HEAD too; any other method is refused with 405 and `Allow`."
)


def describe(routes: Sequence[Route]) -> Json:
    """Describe routes."""
    types = [Failure, *_types(routes)]
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema_of = {repr(kind): schema for kind, schema in zip(types, schemas, strict=True)}
    paths: dict[str, Json] = {}
    for route in routes:
        of_path = paths.setdefault(route.path, {})
        assert isinstance(of_path, dict)
        of_path[route.method.lower()] = _operation(route, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Refrain",
            "version": VERSION,
            "description": _ABOUT,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": {**components},
            "responses": {name: _failure(status) for name, status in _failures().items()},
            "securitySchemes": {
                right: {
                    "type": "http",
                    "scheme": "bearer",
                    "description": f"The token of REFRAIN_{right.upper()}_TOKEN.",
                }
                for right in (Right.READ, Right.ACT)
            },
        },
    }


def _types(routes: Sequence[Route]) -> Iterator[Any]:
    for route in routes:
        yield route.question
        if route.answers is not None:
            yield route.answers
        yield from route.events.values()


def _operation(route: Route, schema_of: Mapping[str, Any], components: Mapping[str, Any]) -> Json:
    operation: dict[str, Json] = {"operationId": _name(route), "summary": route.summary}
    if route.right is not Right.NONE:
        rights = (Right.READ, Right.ACT) if route.right is Right.READ else (Right.ACT,)
        operation["security"] = [{}, *_needing(rights)]
    if route.method == "GET":
        operation["parameters"] = list(_parameters(route, components[route.question.__name__]))
    else:
        operation["requestBody"] = {"required": True, "content": {JSON: {"schema": schema_of[repr(route.question)]}}}
    operation["responses"] = {
        "200": {"description": "The answer.", "content": {route.media: {"schema": _answer(route, schema_of)}}},
        **{str(status): {"$ref": f"#/components/responses/{name}"} for name, status in _failures().items()},
    }
    return operation


def _answer(route: Route, schema_of: Mapping[str, Any]) -> Json:
    if route.media == EVENTS:
        named = ", ".join(f"`{name}`" for name in route.events)
        data: Json = {name: schema_of[repr(kind)] for name, kind in route.events.items()}
        return {"type": "string", "description": f"Server-sent events: {named}.", "x-events": data}
    if route.answers is None:
        return {"type": "object"} if route.media == JSON else {"type": "string", "format": "binary"}
    schema: Json = schema_of[repr(route.answers)]
    return schema


def _parameters(route: Route, question: Mapping[str, Any]) -> Iterator[Json]:
    in_path = set(re.findall(r"{(\w+)", route.path))
    for name, schema in question["properties"].items():
        place = "path" if name in in_path else "query"
        yield {"name": name, "in": place, "required": name in question.get("required", ()), "schema": schema}


def _needing(rights: Sequence[Right]) -> list[Json]:
    return [{right: []} for right in rights]


def _name(route: Route) -> str:
    """Name an operation as clients in code may call it: the method and the words of the path."""
    words = re.findall(r"[a-z]+", route.path.removeprefix("/api/v1/").lower())
    return route.method.lower() + "".join(word.capitalize() for word in words)


def _failures() -> Mapping[str, int]:
    """Return each status that means failure, by its name."""
    return {HTTPStatus(status).phrase.replace(" ", ""): status for status in STATUSES.values()}


def _failure(status: int) -> Json:
    codes = ", ".join(f"`{code}`" for code, its in STATUSES.items() if its == status)
    reference = {"$ref": _REF.format(name=Failure.__name__)}
    return {"description": f"{codes}.", "content": {JSON: {"schema": {**reference}}}}
