"""Three brokers on this machine that keep every acknowledged record while one of them is down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Self

from streamer.local.devkafka import BROKER_CONFIG, java_command
from streamer.local.kafka_node import KafkaNode, new_cluster_id
from streamer.local.ports import free_port
from tests.onkafka import admin_of
from tests.until import until_awaited

Partition = Mapping[str, Any]  # a cluster's description of one

NODES: Final = (1, 2, 3)
HEAP: Final = "-Xmx256m"

#: How long the brokers may take to agree on something, on a machine that several share.
PATIENCE_S: Final = 90.0

CLUSTER_CONFIG: Final[Mapping[str, str | int]] = {
    **BROKER_CONFIG,
    "broker.session.timeout.ms": 6000,  # after which the leaders of a killed broker move
    "broker.heartbeat.interval.ms": 1000,
    "default.replication.factor": 3,
    "min.insync.replicas": 2,
    "offsets.topic.replication.factor": 3,
    "transaction.state.log.replication.factor": 3,
    "transaction.state.log.min.isr": 2,
    "replica.lag.time.max.ms": 10_000,  # after which a killed broker no longer delays writes
}


class ThreeBrokers:
    """A Kafka cluster of three nodes, each both broker and controller, with three replicas of everything.

    `start`, `stop`, `kill` and `stop_all` block. Not thread-safe.

    Args:
        directory: for data and logs, a subdirectory per node.
    """

    def __init__(self, directory: Path) -> None:
        java, cluster_id = (*java_command(), HEAP), new_cluster_id()  # the last of two heap sizes applies
        ports: set[int] = set()
        while len(ports) < 2 * len(NODES):
            ports.add(free_port())
        self._ports = {node: ports.pop() for node in NODES}
        self._controller_ports = {node: ports.pop() for node in NODES}
        self._nodes: dict[int, KafkaNode] = {}
        for node in NODES:
            home = directory / f"broker-{node}"
            home.mkdir(parents=True)
            self._nodes[node] = KafkaNode(home, java, cluster_id=cluster_id)

    @property
    def bootstrap_servers(self) -> str:
        """All three addresses."""
        return ",".join(f"127.0.0.1:{port}" for port in self._ports.values())

    def start(self, node: int) -> None:
        """Start a node, for the first time or again; return when it has joined the cluster.

        A killed node is rejected until its session has expired, and retries by itself.
        """
        port, controller_port = self._ports[node], self._controller_ports[node]
        voters = ",".join(f"{number}@127.0.0.1:{port}" for number, port in self._controller_ports.items())
        config = {
            **CLUSTER_CONFIG,
            "node.id": node,
            "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
            "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
            "controller.quorum.voters": voters,
        }
        self._nodes[node].start(config, port)

    def stop(self, node: int) -> None:
        """Shut a node down cleanly: its leaders move first."""
        self._nodes[node].stop()

    def kill(self, node: int) -> None:
        """Kill a node as a power cut would."""
        self._nodes[node].kill()

    def __enter__(self) -> Self:
        try:
            with ThreadPoolExecutor() as pool:  # none answers until two of them form a quorum
                list(pool.map(self.start, NODES))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with ThreadPoolExecutor() as pool:
            list(pool.map(self.kill, NODES))

    async def leader_of(self, topic: str, partition: int) -> int:
        """Return the node that leads a partition; -1 while no node does."""
        leader: int = (await self._partitions(topic))[partition]["leader"]
        return leader

    async def led_by_another(self, topic: str, than: int) -> None:
        """Wait until every partition of a topic is led by another node than this one."""
        await self._until(
            topic, lambda partition: partition["leader"] not in {than, -1}, f"{topic} is led by others than {than}"
        )

    async def in_sync(self, topic: str) -> None:
        """Wait until all three nodes are in sync for every partition of a topic."""
        await self._until(
            topic, lambda partition: set(partition["isr"]) == set(NODES), f"all nodes are in sync in {topic}"
        )

    async def _until(self, topic: str, condition: Callable[[Partition], bool], what: str) -> None:
        async def holds() -> bool:
            partitions = await self._partitions(topic)
            return bool(partitions) and all(map(condition, partitions))

        await until_awaited(holds, what, deadline_s=PATIENCE_S, period_s=0.1)

    async def _partitions(self, topic: str) -> list[Partition]:
        """Describe a topic's partitions, in order; empty until the cluster knows the topic."""
        async with admin_of(self.bootstrap_servers) as admin:
            (description,) = await admin.describe_topics([topic])
        return sorted(description["partitions"], key=lambda partition: partition["partition"])
