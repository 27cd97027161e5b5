import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient

from streamer.errors import KafkaUnavailableError
from streamer.local import devkafka
from streamer.local.devkafka import DevKafka, java_command, main
from streamer.local.ports import free_port
from tests.until import wait_until

pytestmark = pytest.mark.kafka
ROOT = Path(__file__).parents[3]


async def create_topic(kafka: DevKafka, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(topic, num_partitions=1, replication_factor=1)])
    finally:
        await admin.close()


async def produce(kafka: DevKafka, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers) as producer:
        for value in values:
            await producer.send_and_wait(topic, value, partition=0)


async def consume(kafka: DevKafka, topic: str, *, isolation: str = "read_committed") -> list[bytes]:
    """Read partition 0 from its start to the end that this isolation level shows."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka.bootstrap_servers, isolation_level=isolation, auto_offset_reset="earliest"
    )
    async with consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        end = (await consumer.end_offsets([partition]))[partition]
        values: list[bytes] = []
        while await consumer.position(partition) < end:
            chunks = await consumer.getmany(timeout_ms=200)
            values += [record.value for records in chunks.values() for record in records]
        return values


def broker_of(owner_pid: int, directory: Path) -> psutil.Process:
    """Find the Java process that an owner runs in a directory."""
    children = psutil.Process(owner_pid).children(recursive=True)
    return next(c for c in children if c.name() == "java" and c.cmdline()[-1].startswith(str(directory)))


async def test_what_is_produced_is_consumed(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka, topic_prefix)

    await produce(kafka, topic_prefix, b"one", b"two")

    assert await consume(kafka, topic_prefix) == [b"one", b"two"]


async def test_a_transaction_is_read_when_it_is_committed(kafka: DevKafka, topic_prefix: str) -> None:
    await create_topic(kafka, topic_prefix)
    producer = AIOKafkaProducer(bootstrap_servers=kafka.bootstrap_servers, transactional_id=topic_prefix)

    async with producer:
        async with producer.transaction():
            await producer.send(topic_prefix, b"committed", partition=0)
        await producer.begin_transaction()
        await producer.send_and_wait(topic_prefix, b"aborted", partition=0)
        await producer.abort_transaction()

    assert await consume(kafka, topic_prefix) == [b"committed"]
    assert await consume(kafka, topic_prefix, isolation="read_uncommitted") == [b"committed", b"aborted"]


async def test_a_topic_is_not_created_by_naming_it(kafka: DevKafka, topic_prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap_servers)
    await admin.start()
    try:
        (answer,) = await admin.describe_topics([topic_prefix])

        assert answer["error_code"] == 3  # unknown topic
        assert topic_prefix not in await admin.list_topics()
    finally:
        await admin.close()


def test_it_listens_on_the_loopback_interface_only(kafka: DevKafka) -> None:
    listening = [
        c.laddr.ip
        for c in broker_of(os.getpid(), kafka.directory).net_connections("tcp")
        if c.status == psutil.CONN_LISTEN
    ]

    assert len(listening) == 2  # clients and controller
    assert {address.removeprefix("::ffff:") for address in listening} == {"127.0.0.1"}
    assert kafka.bootstrap_servers.startswith("127.0.0.1:")


@pytest.mark.slow
async def test_a_restart_and_a_kill_keep_port_and_records(tmp_path: Path) -> None:
    with DevKafka(tmp_path) as kafka:
        address = kafka.bootstrap_servers
        await create_topic(kafka, "plays")
        await produce(kafka, "plays", b"before")

        kafka.restart()
        await produce(kafka, "plays", b"between")
        kafka.kill()
        kafka.start()
        await produce(kafka, "plays", b"after")

        assert kafka.bootstrap_servers == address
        assert await consume(kafka, "plays") == [b"before", b"between", b"after"]


@pytest.mark.slow
async def test_a_later_broker_reuses_a_directory_on_another_port(tmp_path: Path) -> None:
    with DevKafka(tmp_path) as first:
        await create_topic(first, "plays")
        await produce(first, "plays", b"kept")

    with DevKafka(tmp_path) as second:
        kept = await consume(second, "plays")

    assert first.bootstrap_servers != second.bootstrap_servers
    assert kept == [b"kept"]


@pytest.mark.slow
def test_brokers_started_at_the_same_time_do_not_collide() -> None:
    brokers = [DevKafka(), DevKafka()]

    with ThreadPoolExecutor() as pool:
        list(pool.map(DevKafka.start, brokers))
    addresses, directories = {b.bootstrap_servers for b in brokers}, [b.directory for b in brokers]
    for broker in brokers:
        broker.stop()

    assert len(addresses) == 2
    assert not any(directory.exists() for directory in directories)


@pytest.mark.slow
def test_the_broker_ends_with_an_owner_killed_by_sigkill(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "streamer.local.devkafka", "--directory", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert "Kafka answers at 127.0.0.1:" in owner.stdout.readline()
        watchdog, broker = psutil.Process(owner.pid).children(recursive=True)

        owner.kill()

        wait_until(
            lambda: not broker.is_running() and not watchdog.is_running(), "broker and watchdog end", deadline_s=30
        )


@pytest.mark.slow
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_shuts_the_foreground_broker_down_cleanly(tmp_path: Path, sign: signal.Signals) -> None:
    command = [sys.executable, "-m", "streamer.local.devkafka", "--directory", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        owner.stdout.readline()
        broker = broker_of(owner.pid, tmp_path)

        owner.send_signal(sign)

        assert owner.wait(60) == 0
        assert not broker.is_running()
        assert (tmp_path / "topics" / ".kafka_cleanshutdown").exists()


def test_jars_that_cannot_be_fetched_are_named_with_a_remedy() -> None:
    with pytest.raises(KafkaUnavailableError, match=r"kafka_2\.13:0\.0\.0 could not be .*Connect this machine"):
        java_command("org.apache.kafka:kafka_2.13:0.0.0")


def test_without_a_network_the_error_gives_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JGO_CACHE_DIR", str(tmp_path / "jgo"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "m2"))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # no process listens there
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")

    with pytest.raises(KafkaUnavailableError, match="could not be fetched: ProxyError"):
        DevKafka().start()


def test_the_error_quotes_the_log_of_a_broker_that_dies_at_start(tmp_path: Path) -> None:
    kafka = DevKafka(tmp_path, broker_config={"log.retention.bytes": "plenty"})

    with pytest.raises(KafkaUnavailableError, match="Invalid value plenty for configuration"):
        kafka.start()


def test_a_taken_port_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        with pytest.raises(KafkaUnavailableError, match=f"port {port} of 127.0.0.1 is taken"):
            main(["--port", str(port)])

    assert not capsys.readouterr().out


@pytest.mark.slow
def test_a_lost_race_for_a_port_is_retried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as winner:
        taken = winner.getsockname()[1]
        lost = [taken]
        monkeypatch.setattr(devkafka, "free_port", lambda **kwargs: lost.pop() if lost else free_port(**kwargs))

        with DevKafka(tmp_path) as kafka:
            assert "Address already in use" in kafka.log.read_text()
            assert kafka.bootstrap_servers != f"127.0.0.1:{taken}"


async def test_the_callers_listener_is_added_to_the_default_one(tmp_path: Path) -> None:
    inside, outside = free_port(), free_port()
    listeners = {
        "listeners": f"OUTSIDE://127.0.0.1:{inside}",
        "advertised.listeners": f"OUTSIDE://127.0.0.1:{outside}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,OUTSIDE:PLAINTEXT",
    }
    with DevKafka(tmp_path, broker_config=listeners) as kafka:
        await create_topic(kafka, "plays")
        client = AIOKafkaClient(bootstrap_servers=f"127.0.0.1:{inside}")

        await client.bootstrap()
        await client.close()

    assert {broker.port for broker in client.cluster.brokers()} == {outside}


def test_a_running_broker_is_not_started_twice(kafka: DevKafka) -> None:
    with pytest.raises(KafkaUnavailableError, match="already runs"):
        kafka.start()


@pytest.mark.slow
def test_a_broker_that_ends_by_itself_is_reported() -> None:
    with DevKafka() as kafka:
        broker_of(os.getpid(), kafka.directory).kill()

        with pytest.raises(KafkaUnavailableError, match=r"Kafka was killed by signal 9 \(SIGKILL\)"):
            kafka.wait()
