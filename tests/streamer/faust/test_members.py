"""Who owns which partition, as the members of a group say it on a real broker."""

import asyncio
from collections.abc import Mapping

import msgspec
import pytest
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment, ConsumerProtocolMemberMetadata

from streamer.faust.members import Peer, read_peer
from streamer.kafka.admin import KafkaAdmin
from streamer.kafka.groups import Member
from streamer.local.cluster import Cluster
from streamer.local.devkafka import DevKafka
from streamer.settings import Settings
from tests.onkafka import environment_on
from tests.until import until_awaited


def member(user_data: bytes, assigned: Mapping[str, list[int]]) -> Member:
    subscription = ConsumerProtocolMemberMetadata(4, ["plays"], user_data).encode()
    return Member(
        "m-1",
        "",
        "faust",
        "::1",
        subscription,
        ConsumerProtocolMemberAssignment(4, list(assigned.items()), b"").encode(),
    )


def test_partitions_in_the_changelog_alone_are_standbys() -> None:
    told = msgspec.json.encode({"url": "http://10.0.0.1:6066/", "assignment": {}, "changelog_distribution": {}})

    peer = read_peer(member(told, {"plays": [3, 0], "states": [3, 2, 0, 1], "other": [7]}), "plays", "states")

    assert peer == Peer("m-1", "m-1", "http://10.0.0.1:6066", (0, 3), (1, 2))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "file:///etc/passwd",
        "http://user:secret@10.0.0.1",
        "http://10.0.0.1/?to=",
        "http://10.0.0.1/admin",
        "http://[::1",
        "http://a b",
    ],
)
def test_an_address_that_is_no_plain_url_is_left_out(url: str) -> None:
    peer = read_peer(member(msgspec.json.encode({"url": url}), {}), "plays", "states")

    assert peer == Peer("m-1", "m-1", "", (), ())


@pytest.mark.parametrize("user_data", [b"", b"\xff\x00", b"[]", b'{"url": 3}'])
def test_a_member_that_speaks_otherwise_is_no_worker(user_data: bytes) -> None:
    assert read_peer(member(user_data, {"plays": [0]}), "plays", "states") is None
    assert read_peer(Member("m-1", "", "faust", "::1", b"\x00", b""), "plays", "states") is None


@pytest.mark.kafka
@pytest.mark.long
async def test_workers_are_found_at_their_addresses_also_when_one_comes_back_at_another(
    kafka: DevKafka, topic_prefix: str
) -> None:
    environment = environment_on(
        kafka.bootstrap_servers, topic_prefix, PARTITIONS="4", STANDBYS="1", SESSION_TIMEOUT_S="120"
    )
    with Cluster(environment, num_workers=2) as cluster:
        cluster.start_workers()
        await asyncio.to_thread(cluster.wait_ready)
        async with KafkaAdmin(kafka.connection) as admin:

            async def found() -> Mapping[str, Peer]:
                return await peers_of(admin, cluster.settings)

            def are_shared(peers: Mapping[str, Peer]) -> bool:
                return sorted(len(peer.standbys) for peer in peers.values()) == [2, 2]

            async def shared() -> Mapping[str, Peer]:
                return peers if are_shared(peers := await found()) else {}

            before = await until_awaited(shared, "both share the partitions")
            cluster.kill_worker(1)
            cluster.start_worker(1)
            await asyncio.to_thread(cluster.wait_ready)
            after = await found()

    assert {name: (peer.partitions, peer.standbys) for name, peer in before.items()} == {
        name: (peer.partitions, peer.standbys) for name, peer in after.items()
    }
    assert set(before["worker-0"].partitions) == set(before["worker-1"].standbys)
    assert before["worker-0"] == after["worker-0"]
    assert before["worker-1"].url != after["worker-1"].url
    assert all(peer.url.startswith("http://127.0.0.1:") for peer in (*before.values(), *after.values()))


async def peers_of(admin: KafkaAdmin, settings: Settings) -> Mapping[str, Peer]:
    """Return the workers by identity; none while their group moves."""
    group = await admin.describe_group(settings.app_id)
    read = [read_peer(each, settings.plays_topic, settings.changelog_topic) for each in group.members]
    return {} if group.is_moving else {peer.identity: peer for peer in read if peer is not None}
