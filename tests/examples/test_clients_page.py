"""docs/clients.md shows parts of `examples`, and the types there are those of the schemas."""

import ast
import json
import re
from pathlib import Path
from textwrap import indent

import pytest

from streamer.local.devkafka import KAFKA_JARS

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
PAGE = (ROOT / "docs" / "clients.md").read_text()

_PART = re.compile(r"<!-- (?:snippet: not here, )?part of (\S+) -->\n\n```\w+\n(.*?)```", re.DOTALL)

#: What each type is called in docs/schemas, by the file of the schema.
TYPES = {"play.json": ("Play",), "recommendation.json": ("Recommendation", "RankedTrack")}


def test_each_block_of_the_page_is_a_part_of_its_file() -> None:
    parts = _PART.findall(PAGE)

    strays = [
        (name, code)
        for name, code in parts
        if not any(indent(code, " " * width) in (ROOT / name).read_text() for width in range(0, 16, 4))
    ]

    assert strays == []
    assert len(parts) == PAGE.count("```") // 2


def test_every_example_is_on_the_page() -> None:
    programs = [path for path in EXAMPLES.rglob("*") if path.suffix in {".py", ".java", ".sh"}]
    programs += [path.with_suffix(".js") for path in EXAMPLES.glob("typescript/*.ts")]

    missing = [path.name for path in programs if path.name not in PAGE and path.stem != "messages"]

    assert missing == []
    assert KAFKA_JARS.partition("+")[0].rpartition(":")[2] in PAGE  # the version of kafka-clients that is tested


@pytest.mark.parametrize(("schema", "name"), [(schema, name) for schema, names in TYPES.items() for name in names])
def test_the_types_of_the_examples_are_those_of_the_schemas(schema: str, name: str) -> None:
    described = json.loads((ROOT / "docs" / "schemas" / schema).read_text())["$defs"][name]
    properties, required = list(described["properties"]), described["required"]

    assert python_fields(name) == typescript_fields(name) == (properties, required)
    assert java_fields(name) == properties


def python_fields(name: str) -> tuple[list[str], list[str]]:
    """Return the fields of a TypedDict, and those that it requires."""
    tree = ast.parse((EXAMPLES / "python" / "messages.py").read_text())
    (body,) = [node.body for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name]
    types = {
        ast.unparse(field.target): ast.unparse(field.annotation) for field in body if isinstance(field, ast.AnnAssign)
    }
    return list(types), [field for field, type_ in types.items() if "NotRequired" not in type_]


def typescript_fields(name: str) -> tuple[list[str], list[str]]:
    """Return the fields of an interface, and those that it requires."""
    (body,) = re.findall(
        rf"interface {name} {{(.*?)}}", (EXAMPLES / "typescript" / "messages.ts").read_text(), re.DOTALL
    )
    fields = re.findall(r"^  (\w+)(\??):", body, re.MULTILINE)
    return [field for field, _ in fields], [field for field, optional in fields if not optional]


def java_fields(name: str) -> list[str]:
    """Return the fields of a record, as its naming strategy writes them."""
    sources = "".join(path.read_text() for path in (EXAMPLES / "java").glob("*.java"))
    (body,) = re.findall(rf"record {name}\((.*?)\) {{}}", sources, re.DOTALL)
    components = re.findall(r"(\w+)\s*(?:,|$)", re.sub(r"//.*", "", body).strip())
    return [re.sub(r"[A-Z]", lambda letter: f"_{letter[0].lower()}", component) for component in components]
