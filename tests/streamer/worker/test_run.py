"""The order in which a worker starts."""

import os
from pathlib import Path

import pytest

from streamer.local.cluster import BOOTSTRAP, Cluster
from streamer.local.devkafka import DevKafka
from tests.until import wait_until

pytestmark = [pytest.mark.kafka, pytest.mark.slow]  # everything is compiled again


def test_a_worker_answers_over_http_before_all_is_compiled(kafka: DevKafka, topic_prefix: str, tmp_path: Path) -> None:
    topics = ("PLAYS", "SHORT_TERM", "LONG_TERM", "DEAD_LETTER", "RELEASES", "CATALOGUE")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("REFRAIN_")} | {
        BOOTSTRAP: kafka.bootstrap_servers,
        "NUMBA_CACHE_DIR": str(tmp_path),
        "REFRAIN_APP_ID": topic_prefix,
        **{f"REFRAIN_{topic}_TOPIC": f"{topic_prefix}.{topic.lower()}" for topic in topics},
    }

    with Cluster(environment) as cluster:
        cluster.start_workers()
        wait_until(lambda: cluster.samples("worker-0"), "the worker answers")
        compiled = {path.name.partition("-")[0] for path in tmp_path.rglob("*.nbi")}

    assert "record_batch._write_records" not in compiled  # the last one, seconds of CPU later
