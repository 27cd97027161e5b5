"""What any process shows of itself from its start: what is installed, how earlier runs ended, and its disk."""

from pathlib import Path

from streamer.metrics.process import ProcessMetrics
from streamer.runtime.build import find_build
from streamer.runtime.disk import Disk
from streamer.runtime.last_words import Past


def show_vitals(metrics: ProcessMetrics, process: str, device: str, directory: Path, past: Past) -> None:
    """Show what does not change while a process runs, and ask for its disk at every scrape.

    Args:
        metrics: of the process.
        process: `worker` or `trainer`.
        device: where it computes.
        directory: that it fills.
        past: how earlier runs ended.
    """
    build, disk = find_build(), Disk(directory)
    metrics.show_build(
        {
            "process": process,
            "version": build.version,
            "commit": build.commit,
            "torch": build.torch,
            "device": device,
        }
    )
    metrics.show_crashes(past.num_crashes, past.last_at_s)
    metrics.watch_disk(disk.taken_bytes, disk.total_bytes, disk.free_bytes)
