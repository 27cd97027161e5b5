"""The Kafka admin client."""

from collections.abc import Mapping, Sequence
from typing import Self

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import TopicAlreadyExistsError, UnknownTopicOrPartitionError, for_code
from aiokafka.protocol.metadata import MetadataRequest

from streamer.errors import ContractError
from streamer.kafka.authorizer import Exactly
from streamer.kafka.clients import closing_connections
from streamer.kafka.commits import Commit
from streamer.kafka.connection import Connection
from streamer.kafka.groups import Group, describe, read_group
from streamer.kafka.topic_identity import IdentityRequest, TopicIdentity, read_identity


class KafkaAdmin:
    """An admin client; an asynchronous context that closes the client even if Kafka is unreachable.

    No query creates a topic, even if the broker creates every topic that a client names.

    Args:
        connection: to Kafka.
    """

    def __init__(self, connection: Connection) -> None:
        self._client = AIOKafkaAdminClient(**connection.client_options())

    async def __aenter__(self) -> Self:
        try:
            with closing_connections():
                await self._client.start()
        except BaseException:
            await self._client.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def count_brokers(self) -> int:
        """Count the brokers that are alive."""
        return len((await self._client.describe_cluster())["brokers"])

    async def find_partitions(self, topic: str) -> dict[int, int]:
        """Return the number of replicas of each partition, in order of partitions; empty if there is no such topic.

        A topic that was just created may be missing for a moment.
        """
        for description in await self._client.describe_topics():  # all of them: naming one might create it
            if description["topic"] == topic:
                partitions = description["partitions"]
                return dict(sorted((partition["partition"], len(partition["replicas"])) for partition in partitions))
        return {}

    async def find_leaders(self, topic: str) -> dict[int, int] | None:
        """Return the leader of each partition, -1 for none; None if there is no such topic."""
        request = MetadataRequest([topic], allow_auto_topic_creation=False)
        response = await self._client._send_request(request)  # noqa: SLF001  describe_topics might create it
        ((code, _, _, partitions),) = response.topics
        if code == UnknownTopicOrPartitionError.errno:
            return None
        return {partition: leader for _, partition, leader, *_ in partitions}

    async def find_identity(self, topic: str) -> TopicIdentity | None:
        """Return which topic has a name now; None if none has."""
        return read_identity(await self._client._send_request(IdentityRequest(topic)))  # noqa: SLF001  as above

    async def read_topic_configs(self, topic: str) -> dict[str, str]:
        """Return the settings of a topic that exists; none if they may not be read."""
        return await self._read_configs(ConfigResource(ConfigResourceType.TOPIC, topic))

    async def read_broker_configs(self) -> dict[str, str]:
        """Return the settings of a broker, as all should have them; none if they may not be read."""
        (first, *_) = (await self._client.describe_cluster())["brokers"]
        return await self._read_configs(ConfigResource(ConfigResourceType.BROKER, str(first["node_id"])))

    async def _read_configs(self, resource: ConfigResource) -> dict[str, str]:
        (response,) = await self._client.describe_configs([resource])
        return {name: value for *_, entries in response.resources for name, value, *_ in entries}

    async def create_topic(self, topic: str, num_partitions: int, replication: int, configs: Mapping[str, str]) -> bool:
        """Create a topic; return False if one of this name exists.

        Raises:
            ContractError: Kafka rejects the topic.
        """
        new_topic = NewTopic(topic, num_partitions, replication, topic_configs=dict(configs))
        ((_, code, *reason),) = (await self._client.create_topics([new_topic])).topic_errors
        if code not in (0, TopicAlreadyExistsError.errno):
            error = for_code(code).__name__
            raise ContractError(f"topic {topic} cannot be created: {error} {reason}; create it by hand")
        return bool(code == 0)

    async def delete_topics(self, topics: Sequence[str]) -> None:
        """Delete topics; those that do not exist are ignored."""
        await self._client.delete_topics(list(topics))

    async def count_members(self, group_id: str) -> int:
        """Count the members of a consumer group; 0 if there is no such group.

        Raises:
            ContractError: the group cannot be described.
            KafkaError: Kafka has no coordinator for it yet.
        """
        return len(await self.find_members(group_id))

    async def find_members(self, group_id: str) -> list[str]:
        """Return the client and host of each member of a consumer group; none if there is no such group.

        Raises:
            ContractError: the group cannot be described.
            KafkaError: Kafka has no coordinator for it yet.
        """
        return [f"{member.client} at {member.host}" for member in (await self.describe_group(group_id)).members]

    async def describe_group(self, group_id: str) -> Group:
        """Describe a consumer group; without members if there is none of this name.

        Raises:
            ContractError: the group cannot be described.
            KafkaError: Kafka has no coordinator for it yet.
        """
        coordinator = await self._client.find_coordinator(group_id)
        response = await self._client._send_request(Exactly(describe(group_id)), coordinator)  # noqa: SLF001
        return read_group(response, group_id)

    async def read_commits(self, group_id: str) -> dict[TopicPartition, Commit]:
        """Return the commits of a group, of the partitions that have one.

        Raises:
            KafkaError: Kafka has no coordinator for it yet.
        """
        committed = await self._client.list_consumer_group_offsets(group_id)
        commits = {partition: Commit.read(offset) for partition, offset in committed.items()}
        return {partition: commit for partition, commit in commits.items() if commit is not None}
