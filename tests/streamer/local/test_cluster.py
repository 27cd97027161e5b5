"""A cluster of real processes, which always end with it."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from streamer.local.cluster import BOOTSTRAP, Cluster, ClusterError, connecting_to
from streamer.local.devkafka import DevKafka
from tests.until import wait_until

pytestmark = pytest.mark.kafka

NUM_PARTITIONS = 4
DEADLINE_S = 90.0


@pytest.fixture
def environment(kafka: DevKafka, topic_prefix: str) -> Mapping[str, str]:
    """All settings of a worker except those that the cluster sets itself."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("REFRAIN_")}
    topics = ("PLAYS", "SHORT_TERM", "LONG_TERM", "DEAD_LETTER", "RELEASES")
    return clean | {
        BOOTSTRAP: kafka.bootstrap_servers,
        "REFRAIN_APP_ID": topic_prefix,
        "REFRAIN_PARTITIONS": str(NUM_PARTITIONS),
        **{f"REFRAIN_{topic}_TOPIC": f"{topic_prefix}.{topic.lower()}" for topic in topics},
    }


def wait_until_all_owned(cluster: Cluster) -> None:
    wait_until(
        lambda: cluster.total("refrain_partitions_owned") == NUM_PARTITIONS,
        "all partitions are owned",
        deadline_s=DEADLINE_S,
    )


def workers_alive() -> list[psutil.Process]:
    """The workers, without the watchdogs above them."""
    ours = psutil.Process().children(recursive=True)
    return [process for process in ours if process.cmdline()[1:] == ["-m", "streamer", "worker"]]


def start_wrongly(environment: Mapping[str, str]) -> None:
    with Cluster({**environment, "REFRAIN_MAX_STEP_S": "soon"}) as cluster:
        cluster.start_worker(0)
        cluster.wait_ready(DEADLINE_S)


def test_a_broker_of_this_machine_is_reached_plainly_whatever_the_environment_says(kafka: DevKafka) -> None:
    secured = {
        "REFRAIN_KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "REFRAIN_KAFKA_PASSWORD": "s3cret",
        "REFRAIN_ANSWER": "each",
    }

    assert connecting_to(kafka, secured) == {"REFRAIN_ANSWER": "each", BOOTSTRAP: kafka.bootstrap_servers}


def test_workers_share_the_partitions_and_end_with_the_cluster(environment: Mapping[str, str]) -> None:
    with Cluster(environment, num_workers=2) as cluster:
        cluster.start_workers()
        cluster.wait_ready(DEADLINE_S)
        wait_until_all_owned(cluster)
        logs, workers = cluster.logs, workers_alive()

        assert sorted(log.name for log in logs.iterdir()) == ["worker-0.log", "worker-1.log"]

    assert len(workers) == 2
    assert not any(worker.is_running() for worker in workers)
    assert not logs.exists()


def test_a_killed_worker_starts_again(environment: Mapping[str, str]) -> None:
    with Cluster(environment) as cluster:
        cluster.start_workers()
        cluster.wait_ready(DEADLINE_S)

        cluster.kill_worker(0)
        assert not workers_alive()
        assert cluster.samples("worker-0") == []
        cluster.check()

        cluster.start_worker(0)
        cluster.wait_ready(DEADLINE_S)
        wait_until_all_owned(cluster)


def test_a_worker_that_was_killed_by_others_starts_again_where_its_page_was(environment: Mapping[str, str]) -> None:
    with Cluster(environment) as cluster:
        cluster.start_worker(0)
        cluster.wait_ready(DEADLINE_S)
        page = cluster.url("worker-0")
        (worker,) = workers_alive()

        worker.kill()
        wait_until(cluster.ended, "the end is noticed")
        assert cluster.ended() == {"worker-0": 128 + signal.SIGKILL}
        assert not cluster.is_ready("worker-0")

        cluster.start_again("worker-0")
        cluster.wait_ready(DEADLINE_S)
        assert cluster.url("worker-0") == page
        assert len(workers_alive()) == 1


def test_a_worker_that_ends_by_itself_is_reported_and_its_log_kept(environment: Mapping[str, str]) -> None:
    with pytest.raises(ClusterError, match="worker-0 ended by itself with status 2") as caught:
        start_wrongly(environment)

    (named,) = re.findall(r"The end of (\S+) says", str(caught.value))
    assert "REFRAIN_MAX_STEP_S='soon'" in str(caught.value)
    assert "REFRAIN_MAX_STEP_S='soon'" in Path(named).read_text()
    shutil.rmtree(Path(named).parent)


def test_a_worker_runs_once(environment: Mapping[str, str]) -> None:
    with Cluster(environment) as cluster:
        cluster.start_worker(0)

        with pytest.raises(ClusterError, match="worker-0 already runs"):
            cluster.start_worker(0)


def test_nothing_outlives_an_owner_who_is_killed(environment: Mapping[str, str], tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER], env={**environment, "TMPDIR": str(tmp_path)}, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout is not None
    with owner.stdout:
        assert owner.stdout.readline() == "started\n"
    processes = psutil.Process(owner.pid).children(recursive=True)
    assert processes

    owner.kill()
    owner.wait()

    wait_until(lambda: not any(process.is_running() for process in processes), "the owner's processes are gone")


_OWNER = """
import os, time
from streamer.local.cluster import Cluster
with Cluster(os.environ) as cluster:
    cluster.start_worker(0)
    print("started", flush=True)
    time.sleep(600)
"""
