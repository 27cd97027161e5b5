"""The public interface as the code declares it: the tables of docs/public.md and docs/settings.md.

`python -m tests.public` (or `make public`) writes the tables between their markers; the prose around them is written by
hand. Wording stays out of the tables, so that a change of one is a change of the interface.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, get_args, get_origin, get_type_hints

import click
import msgspec
import numpy as np

from models import release_files
from models.config import NetworkConfig, RerankerConfig, TrainingConfig
from models.plays.catalogue import Catalogue
from models.plays.histories import gather_histories
from models.release import save_release
from models.release_folder import Folder
from models.serving.recommender import Recommender
from models.serving.track_map import TrackMap
from models.training import checkpoint
from models.training.reranker_counts import counted_reranker
from models.training.track_lists import with_index
from models.training.track_mapping import map_tracks
from streamer import command_line
from streamer.archive import manifest
from streamer.kafka.rights import (
    catalogue_reader_rights,
    catalogue_writer_rights,
    forgetter_rights,
    letter_reader_rights,
    letter_remover_rights,
    letter_sender_rights,
    listener_reader_rights,
    offset_reader_rights,
    optional_rights,
    promoter_rights,
    release_reader_rights,
    sender_rights,
    simulator_rights,
    trainer_rights,
    worker_rights,
)
from streamer.kafka.topics import TopicSpec, specs
from streamer.metrics import TrainerMetrics, WorkerMetrics
from streamer.operations.setting_listing import list_settings
from streamer.releases.signing import SIGNATURE
from streamer.runtime.commands import JsonOption
from streamer.runtime.statuses import MEANINGS
from streamer.settings import Settings
from streamer.variables import secrets, variable
from streamer.wire import asyncapi, changelog, state
from tests.builders import NOON_MS, TRACK_IDS, WINDOW, tiny_network

DOCS: Final = Path(__file__).parents[1] / "docs"
FORMATS: Final = Path(__file__).parent / "formats"

Rows = Sequence[Sequence[str]]


def pages() -> dict[Path, dict[str, str]]:
    """Return the tables of each page, in Markdown, by their names."""
    return {DOCS / "public.md": render_tables(), DOCS / "settings.md": render_settings()}


def render_page(page: str, tables: Mapping[str, str]) -> str:
    """Replace the tables of a page by those of the code.

    Raises:
        ValueError: the page lacks the markers of a table, or has those of one that does not exist.
    """
    marked = re.findall(r"<!-- table: (\S+) -->", page)
    if sorted(marked) != sorted(tables):
        raise ValueError(f"the page has the tables {sorted(marked)}, the code has {sorted(tables)}: add their markers")
    for name, table in tables.items():
        begin, end = f"<!-- table: {name} -->\n", "<!-- end -->"
        before, _, rest = page.partition(begin)
        page = before + begin + table + end + rest.partition(end)[2]
    return page


def render_tables() -> dict[str, str]:
    """Return the tables of the public interface."""
    return {
        "commands": _table(("command", "argument", "values", "default"), list(command_rows(command_line.refrain))),
        "json": _table(("command", "key", "type"), list(json_rows(command_line.refrain))),
        "statuses": _table(("status", "meaning"), status_rows()),
        "settings": _table(("variable", "type", "default"), list(setting_rows())),
        "topics": _table(("topic", "named by", "partitions", "required configuration", "created with"), topic_rows()),
        "rights": _table(("of", "resource", "operations"), right_rows()),
        "worker-metrics": _table(("metric", "type", "labels"), metric_rows(WorkerMetrics())),
        "trainer-metrics": _table(("metric", "type", "labels"), metric_rows(TrainerMetrics())),
        "release-files": _table(("file", ""), release_file_rows()),
        "formats": _table(("format", "writes", "reads"), format_rows()),
    }


def render_settings() -> dict[str, str]:
    """Return the reference of the settings: a table for each section, as `refrain settings` lists them."""
    listed = list_settings(Settings(), {})
    tables = []
    for section, settings in groupby(listed, lambda each: each.section):
        rows = [
            (_code(each.name), _code(str(each.default)), ", ".join(map(_code, each.choices)) or each.unit, each.reason)
            for each in settings
        ]
        tables.append(f"## {section}\n\n{_table(('variable', 'default', 'unit or choices', 'what it decides'), rows)}")
    return {"settings": "\n".join(tables)}


def command_rows(command: click.Command) -> Iterator[Sequence[str]]:
    """Yield a row for each argument of a command and of each below it; a command without arguments has one row."""
    for ctx in _contexts(command):
        for param in ctx.command.params:
            yield _code(ctx.command_path), _code(_usage(param)), _values(param), _default(param)
        if not ctx.command.params and not isinstance(ctx.command, click.Group):
            yield _code(ctx.command_path), "", "", ""


def json_rows(command: click.Command) -> Iterator[Sequence[str]]:
    """Yield a row for each key of the JSON of a command and of each below it."""
    for ctx in _contexts(command):
        for param in ctx.command.params:
            if isinstance(param, JsonOption):
                yield from ((_code(ctx.command_path), _code(key), kind) for key, kind in _keys(param.shape))


def _contexts(command: click.Command, parent: click.Context | None = None) -> Iterator[click.Context]:
    """Yield the contexts of all commands below a command, then its own."""
    ctx = click.Context(command, parent, command.name)
    if isinstance(command, click.Group):
        for name in command.list_commands(ctx):
            below = command.get_command(ctx, name)
            assert below is not None
            yield from _contexts(below, ctx)
    yield ctx


def _keys(shape: object, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the keys of a shape with their types: `[]` is behind a list, `.*` behind names that are not fixed."""
    arguments = get_args(shape)
    if isinstance(shape, type) and issubclass(shape, msgspec.Struct):
        for name, kind in get_type_hints(shape).items():
            yield from _keys(kind, f"{prefix}.{name}" if prefix else name)
    elif get_origin(shape) is tuple:
        yield from _keys(arguments[0], f"{prefix}[]")
    elif get_origin(shape) is dict:
        yield from _keys(arguments[1], f"{prefix}.*")
    else:
        yield prefix, _kind(shape)


def _kind(shape: object) -> str:
    if get_origin(shape) is Literal:
        return ", ".join(_code(choice) for choice in get_args(shape))
    names = {type(None): "null", Any: "any"}
    kinds = get_args(shape) or (shape,)
    return " or ".join(names.get(kind) or kind.__name__ for kind in kinds)


def status_rows() -> Rows:
    """Return a row for each exit status."""
    return [(str(status.value), meaning) for status, meaning in MEANINGS.items()]


def right_rows() -> Rows:
    """Return a row for each resource of each process and command, with the default names."""
    settings = Settings()
    rights = {
        "`refrain worker`, `offsets reset`, `doctor`": worker_rights(settings),
        "`refrain worker`, optional: dead letters and promotions over HTTP": optional_rights(settings),
        "`refrain trainer`": trainer_rights(settings),
        "`releases list`": release_reader_rights(settings),
        "`releases promote`, `rollback`": promoter_rights(settings),
        "`send`, producers": sender_rights(settings),
        "`catalogue show`": catalogue_reader_rights(settings),
        "`catalogue load`, `withdraw`": catalogue_writer_rights(settings),
        "`offsets show`": offset_reader_rights(settings),
        "`listener`": listener_reader_rights(settings),
        "`forget`": forgetter_rights(settings),
        "`simulate`": simulator_rights(settings),
        "`dead-letters list`, `show`": letter_reader_rights(settings),
        "`dead-letters send-again`": letter_sender_rights(settings),
        "`dead-letters discard`, `erase-forgotten`": letter_remover_rights(settings),
    }
    rows: dict[tuple[str, str], list[str]] = {}
    for process, needed in rights.items():
        for right in needed:
            name = f"{right.resource} {_code(right.name)}{', prefixed' if right.is_prefix else ''}"
            rows.setdefault((process, name), []).append(right.operation)
    return [(*place, ", ".join(operations)) for place, operations in rows.items()]


def setting_rows() -> Iterator[Sequence[str]]:
    """Yield a row for each setting."""
    for name, setting in Settings.model_fields.items():
        choices = ", ".join(_code(choice) for choice in get_args(setting.annotation) if choice)
        kind = choices or getattr(setting.annotation, "__name__", "")
        default = "" if name in secrets(Settings) else _code(_text(setting.default))
        yield _code(variable(name)), kind, default


def topic_rows() -> Rows:
    """Return a row for each topic, `plays` first."""
    settings = Settings()
    num_partitions = settings.partitions
    plays = TopicSpec(settings.plays_topic, None, {"cleanup.policy": "delete"})
    named_by = {topic: name for name, topic in settings if name.endswith("_topic")}
    return [
        (
            _code(topic.name if topic.name in named_by else topic.name.replace(settings.app_id, "<app>", 1)),
            _code(variable(named_by.get(topic.name, "app_id"))),
            {None: "any number", num_partitions: "as many as `plays`"}.get(topic.partitions, str(topic.partitions)),
            *(
                ", ".join(_code(f"{name}={value}") for name, value in configs.items())
                for configs in (topic.configs, topic.advice)
            ),
        )
        for topic in [plays, *specs(settings, num_partitions)]
    ]


def metric_rows(metrics: WorkerMetrics | TrainerMetrics) -> Rows:
    """Return a row for each metric that a process declares, by name; a counter is named as it is exposed."""
    return sorted(
        (_code(metric.exposed), metric.kind, ", ".join(map(_code, metric.labels)))
        for metric in metrics.register.metrics
        if metric.name.startswith("refrain_")
    )


#: When a release has a file that it need not have.
_WHEN: Final = {
    release_files.RERANKER: "only with a second stage",
    release_files.INDEX: "only above `REFRAIN_INDEX_ABOVE` tracks",
    release_files.MAP: "only if [a map](map.md) could be made",
}


def release_file_rows() -> Rows:
    """Return a row for each file of a release, those found where one is saved with all that it may have and without."""
    catalogue, config = Catalogue(TRACK_IDS), NetworkConfig(embedding_size=4, hidden_size=6)
    num_plays = len(TRACK_IDS)
    counted = gather_histories(np.zeros(num_plays, np.int64), catalogue.keys, np.arange(num_plays))
    reranker = counted_reranker(counted, catalogue, config, RerankerConfig(num_first_stage=4, num_neighbours=2))
    track_map = map_tracks(Recommender(tiny_network(), catalogue), np.ones(num_plays, np.int64))
    plain = _saved(Recommender(tiny_network(), catalogue))
    whole = _saved(with_index(Recommender(tiny_network(), catalogue, reranker)), track_map)
    rows = [(_code(name), "" if name in plain else _WHEN[name]) for name in sorted(whole)]
    return sorted([*rows, (_code(SIGNATURE), "only where `REFRAIN_RELEASES_SIGNING_KEY` is set")])


def format_rows() -> Rows:
    """Return a row for each format that outlives a process: it reads the versions that tests/formats has bytes of."""
    written = {
        "state record": ("state-v*-full.bin", state.VERSION),
        "progress mark": ("mark-v*.bin", changelog._MARK_VERSION),
        "count of listeners": ("count-v*.bin", changelog._COUNT_VERSION),
        "release directory": ("release-v*", release_files.FORMAT_VERSION),
        "archive manifest": ("archive-v*", manifest.FORMAT_VERSION),
        "training checkpoint": ("checkpoint-v*", checkpoint.FORMAT_VERSION),
    }
    rows = []
    for name, (fixtures, version) in written.items():
        kept = {int(found[1]) for path in FORMATS.glob(fixtures) if (found := re.search(r"-v(\d+)", path.name))}
        rows.append((name, str(version), ", ".join(map(str, sorted(kept | {version})))))
    return [*rows, ("message schemas", asyncapi.CONTRACT_VERSION, "1.x, 2.x")]  # plays and notices of both are the same


def _saved(recommender: Recommender, track_map: TrackMap | None = None) -> set[str]:
    with TemporaryDirectory() as directory:
        saved = save_release(
            Folder(directory),
            recommender,
            training=TrainingConfig(),
            metrics={},
            data_window=WINDOW,
            created_at_ms=NOON_MS,
            track_map=track_map,
        )
        return {path.name for path in Path(saved.location).iterdir()}


def _usage(param: click.Parameter) -> str:
    assert param.name is not None
    value = param.metavar or (param.name if isinstance(param.type, click.Choice) else param.type.name).upper()
    if isinstance(param, click.Argument):
        value = param.metavar or param.name.upper()
        return value if param.required or value.startswith("[") else f"[{value}]"
    name = max(param.opts, key=len)
    return name if isinstance(param, click.Option) and param.is_flag else f"{name} {value}"


def _values(param: click.Parameter) -> str:
    return (
        ", ".join(_code(str(choice)) for choice in param.type.choices) if isinstance(param.type, click.Choice) else ""
    )


def _default(param: click.Parameter) -> str:
    if param.required:
        return "required"
    default = param.to_info_dict()["default"]
    return "" if default in (None, False) else _code(_text(default))


def _text(value: object) -> str:
    if isinstance(value, Enum):
        return str(value.value)
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(head: Sequence[str], rows: Rows) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    """Write the tables of the pages."""
    for page, tables in pages().items():
        page.write_text(render_page(page.read_text(), tables))


if __name__ == "__main__":
    main()
