import math
from importlib.metadata import version
from pathlib import Path

from streamer.metrics import WorkerMetrics
from streamer.runtime.build import find_build
from streamer.runtime.disk import Disk
from streamer.runtime.last_words import Past
from streamer.runtime.vitals import show_vitals


def test_a_process_shows_what_is_installed_its_past_and_its_disk(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "file").write_bytes(bytes(100_000))
    metrics = WorkerMetrics()

    show_vitals(metrics, "worker", "cpu", tmp_path, Past("crashed", {"OSError": 3}, 1_700_000_000.0))

    shown = metrics.registry.get_sample_value
    build = find_build()
    assert shown(
        "refrain_build_info",
        {
            "process": "worker",
            "version": version("refrain"),
            "commit": build.commit,
            "torch": version("torch"),
            "device": "cpu",
        },
    )
    assert shown("refrain_crashes_total", {"cause": "OSError"}) == 3
    assert shown("refrain_crashes_total", {"cause": "killed"}) == 0
    assert shown("refrain_last_crash_timestamp_seconds") == 1_700_000_000
    assert 100_000 <= (shown("refrain_directory_bytes") or 0) < 1_000_000
    assert 0 < (shown("refrain_disk_free_bytes") or 0) < (shown("refrain_disk_bytes") or 0)


def test_a_directory_that_is_gone_fails_no_scrape(tmp_path: Path) -> None:
    disk = Disk(tmp_path / "gone")

    assert disk.taken_bytes() == 0
    assert math.isnan(disk.total_bytes())
    assert math.isnan(disk.free_bytes())
