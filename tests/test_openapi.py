"""docs/openapi.json: current, and as OpenAPI 3.1 wants it."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.openapi import DOCUMENT, render


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(DOCUMENT.read_text())


def test_the_document_is_what_the_table_of_routes_says() -> None:
    assert DOCUMENT.read_text() == render(), "run `make schemas`"


def test_the_document_is_valid_openapi(document: Any) -> None:
    OpenAPIV31SpecValidator(document).validate()


def test_no_path_and_no_query_names_a_listener(document: Any) -> None:
    parameters = [
        each["name"] for path in document["paths"].values() for of in path.values() for each in of.get("parameters", ())
    ]

    assert "user_id" not in parameters
    assert not [path for path in document["paths"] if "user" in path]


def test_every_question_names_what_answers_it_and_how_it_fails(document: Any) -> None:
    for path, operations in document["paths"].items():
        for operation in operations.values():
            assert operation["summary"].endswith((".", "?")), path
            assert {"200", "400", "401", "403", "429", "500", "503"} <= operation["responses"].keys(), path
    names = [of["operationId"] for path in document["paths"].values() for of in path.values()]
    assert len(names) == len(set(names))


def test_every_schema_is_one(document: Any) -> None:
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)
