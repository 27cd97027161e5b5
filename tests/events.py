"""The events of the log, found in the source: docs/events.md.

`python -m tests.events` (or `make public`) writes it.
"""

import ast
import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from streamer.runtime.logs import event_of, fields_of

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "events.md"

_LEVELS: Final = ("debug", "info", "warning", "error", "critical")

_HEAD: Final = """\
# Events

Written by `make public` from the source; a test fails when it differs. Each line of the log is an event. With
`REFRAIN_LOG_FORMAT=text` it begins, behind time, level and logger, with the event's name. With `json` it is an object:

```json
{"at":"2026-11-29T07:04:10.123+00:00","level":"info","logger":"streamer.worker.champion","event":"release taken up",
 "message":"release taken up id=20261129-a tracks=10000 first_stage=exact","id":"20261129-a","tracks":10000,
 "first_stage":"exact"}
```

Names of events and fields are stable; `message`, which people read, is not. An error has its `traceback` in the same
object. Lines of Kafka's client (`aiokafka`), of Faust (`faust`, `mode`) and of other libraries have the library's name
as their event. The last line of a command that fails, `refrain: ...`, is plain text in either format.

`debug` lines are written with `REFRAIN_LOG_LEVEL=debug`, and so on. No line above `debug` names a listener.

"""


@dataclass(frozen=True, slots=True, order=True)
class Event:
    """A call that logs.

    Attributes:
        template: of its line.
        level: of its line.
        module: where the call is.
    """

    template: str
    level: str
    module: str


@functools.cache
def find_events() -> Sequence[Event]:
    """Return every call of a logger in the product, in the order of events."""
    events = [event for path in sorted((ROOT / "streamer").rglob("*.py")) for event in _events(path)]
    return sorted(events, key=lambda event: (event_of(event.template).lower(), event))


def render_page() -> str:
    """Return the whole page; calls that log the same event have a row together."""
    rows: dict[str, list[Event]] = {}
    for event in find_events():
        rows.setdefault(event_of(event.template), []).append(event)
    lines = ["| event | level | fields | logger |\n| --- | --- | --- | --- |\n"]
    for name, events in rows.items():
        levels = ", ".join(dict.fromkeys(event.level for event in events))
        fields = dict.fromkeys(field for event in events for field in fields_of(event.template) if field)
        loggers = ", ".join(f"`{module}`" for module in dict.fromkeys(event.module for event in events))
        lines.append(f"| {name} | {levels} | {', '.join(f'`{field}`' for field in fields)} | {loggers} |\n")
    return _HEAD + "".join(lines)


def _events(path: Path) -> Iterator[Event]:
    tree, module = ast.parse(path.read_text()), ".".join(path.relative_to(ROOT).with_suffix("").parts)
    constants = dict(_constants(tree))
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or not node.args:
            continue
        if node.func.attr in _LEVELS and ast.unparse(node.func.value) == "logger":
            for template in _templates(node.args[0], constants):
                yield Event(template, node.func.attr, module)


def _constants(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            assert isinstance(node, ast.Assign | ast.AnnAssign)
            (target,) = node.targets if isinstance(node, ast.Assign) else (node.target,)
            yield ast.unparse(target), value.value


def _templates(node: ast.expr, constants: Mapping[str, str]) -> list[str]:
    """Return the texts that an expression may have.

    Raises:
        ValueError: it may have any, so its event has no name.
    """
    if isinstance(node, ast.IfExp):
        return [*_templates(node.body, constants), *_templates(node.orelse, constants)]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return [node.value]
    if isinstance(node, ast.Name) and node.id in constants:
        return [constants[node.id]]
    raise ValueError(f"{ast.unparse(node)} is no template: log a constant, with the event's name first")


def main() -> None:
    """Write docs/events.md."""
    PAGE.write_text(render_page())


if __name__ == "__main__":
    main()
