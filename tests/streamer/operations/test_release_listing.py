"""The output of `refrain releases`."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console
from rich.text import Text

from models.config import TrainingConfig
from models.release import save_release
from models.release_files import describe_release
from models.release_folder import Folder
from streamer.operations.release_listing import (
    description_text,
    print_table,
    release_row,
    release_shown,
    releases_shown,
)
from streamer.operations.shapes import to_json
from streamer.releases.registry import Registry
from streamer.releases.store import Store
from streamer.wire.messages import ReleaseNotice
from tests.builders import NOON_MS, WINDOW, save_tiny_release, tiny_release

VERDICT = "Published: better than the champion in HR@20, and worse in no metric. Judged on 34 plays of 31 listeners."


@pytest.fixture
def judged(tmp_path: Path) -> str:
    """The id of a release with a verdict."""
    release = tiny_release()
    return save_release(
        Folder(str(tmp_path)), release.recommender, data_window=WINDOW, created_at_ms=NOON_MS + 1,
        metrics={"verdict": VERDICT, "gate": {"candidate": {"HR@20": {"mean": 0.4123}}}}, training=TrainingConfig(),
    ).release_id  # fmt: skip


def notice(release_id: str) -> ReleaseNotice:
    return ReleaseNotice(release_id, f"file:///{release_id}", "0" * 64)


def test_a_release_is_summarised_in_one_row(tmp_path: Path, judged: str) -> None:
    release = Registry(Store(str(tmp_path))).look_at(judged)

    assert release_row(release, [notice(judged)], NOON_MS + 7_200_001) == (
        "champion", judged, "2 h", "2", "0.412",
        "Published: better than the champion in HR@20, and worse in no metric",
    )  # fmt: skip


def test_json_says_of_a_release_what_the_table_says(tmp_path: Path, judged: str) -> None:
    damaged = save_tiny_release(tmp_path, seed=8)
    (Path(damaged.location) / "manifest.json").write_text("{")

    shown = {each.id: each for each in releases_shown(str(tmp_path), [notice(judged)]).releases}

    assert (shown[judged].mark, shown[judged].num_plays, shown[judged].verdict) == ("champion", 2, VERDICT)
    assert shown[judged].hit_rate_at_20 == pytest.approx(0.4123)
    assert shown[damaged.release_id].created_at_ms is None
    assert shown[damaged.release_id].fault


def test_json_shows_a_release_in_full(tmp_path: Path, judged: str) -> None:
    shown = json.loads(to_json(release_shown(str(tmp_path), judged)))

    assert (shown["id"], shown["created_at_ms"], shown["verdict"]) == (judged, NOON_MS + 1, VERDICT)
    assert shown["files"].keys() >= {"config.json", "metrics.json"}
    assert shown["metrics"] == {"gate": {"candidate": {"HR@20": {"mean": 0.4123}}}}


def test_champion_and_the_one_before_are_marked(tmp_path: Path, judged: str) -> None:
    registry = Registry(Store(str(tmp_path)))
    marks = [
        release_row(registry.look_at(judged), [notice(each) for each in history], NOON_MS)[0]
        for history in ([], ["r1", judged], [judged, "r1"], [judged, "r1", "r2"])
    ]

    assert marks == ["", "champion", "before", ""]


def test_a_release_of_another_maker_or_damaged_is_listed_too(tmp_path: Path) -> None:
    plain = save_tiny_release(tmp_path, metrics={})
    registry = Registry(Store(str(tmp_path)))
    assert release_row(registry.look_at(plain.release_id), [], NOON_MS + 60_000)[2:] == ("60 s", "2", "-", "not judged")

    Path(plain.location, "manifest.json").write_text("{}")
    assert "DAMAGED" in release_row(registry.look_at(plain.release_id), [], NOON_MS)[-1]


def test_a_release_is_shown_in_full(tmp_path: Path, judged: str) -> None:
    text = description_text("file:///x", describe_release(str(tmp_path / judged)))

    for part in (judged, "2 plays of 1 listener", "2023-11-14 22:13:20 UTC", "weights.safetensors", '"mean": 0.4123'):
        assert part in text
    assert VERDICT in " ".join(text.split())


def test_without_a_terminal_a_table_is_one_line_per_row() -> None:
    output = io.StringIO()

    print_table(Console(file=output), ("", "release", "plays"), [("champion", "r1", "1,234"), ("", "r22", "5")])

    assert output.getvalue() == "          release  plays\nchampion  r1       1,234\n          r22          5\n"


def test_a_table_fits_the_terminal() -> None:
    output = io.StringIO()

    print_table(
        Console(file=output, force_terminal=True, width=60), ("", "release", "verdict"), [("champion", "r1", VERDICT)]
    )

    assert max(len(Text.from_ansi(line)) for line in output.getvalue().splitlines()) <= 60
    assert "champion" in output.getvalue()
