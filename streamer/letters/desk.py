"""What whoever acts on dead letters knows of a deployment."""

from dataclasses import dataclass

from streamer.kafka.connection import Connection, connection_of
from streamer.kafka.extent import Extent
from streamer.settings import Settings


@dataclass(frozen=True, slots=True)
class Desk:
    """Where letters are, and where they go.

    Attributes:
        connection: to Kafka.
        app_id: names the deployment.
        plays_topic: the topic that letters come from, and return to.
        dead_letter_topic: the topic of letters.
        partitioner: that strays are sent by, `murmur2` or `crc32`; empty: letters return to where they came from.
        transaction_timeout_s: seconds until Kafka aborts a portion of them.
        extent: how far back the topic of letters is read; None: from its beginning.
    """

    connection: Connection
    app_id: str
    plays_topic: str
    dead_letter_topic: str
    partitioner: str
    transaction_timeout_s: float
    extent: Extent | None = None

    @property
    def fence_id(self) -> str:
        """The transactional id that all share who change letters: of two at a time, the later one goes on."""
        return f"{self.app_id}-dead-letters"


def desk_of(settings: Settings) -> Desk:
    """Return the desk of the deployment that the settings describe."""
    return Desk(
        connection=connection_of(settings),
        app_id=settings.app_id,
        plays_topic=settings.plays_topic,
        dead_letter_topic=settings.dead_letter_topic,
        partitioner=settings.partitioner,
        transaction_timeout_s=settings.transaction_timeout_s,
    )
