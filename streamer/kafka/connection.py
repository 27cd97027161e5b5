"""How to reach Kafka; every client of Kafka is made with it."""

from dataclasses import dataclass
from typing import Self

from streamer.addresses import parse_servers
from streamer.kafka.security import PLAIN, Security
from streamer.settings import Settings


@dataclass(frozen=True, slots=True)
class Connection:
    """The way to Kafka.

    Attributes:
        servers: addresses of brokers, each `host:port`.
        security: how connections to them are protected.
    """

    servers: tuple[str, ...]
    security: Security = PLAIN

    @classmethod
    def parse(cls, bootstrap_servers: str) -> Self:
        """Return a plain connection to a list of addresses.

        Raises:
            ValueError: an address is not `host:port`.
        """
        return cls(parse_servers(bootstrap_servers))

    def client_options(self) -> dict[str, object]:
        """Return the arguments by which any aiokafka client connects.

        Raises:
            SettingsError: a file of certificates does not hold what it should.
        """
        return {"bootstrap_servers": list(self.servers), **self.security.client_options()}


def connection_of(settings: Settings) -> Connection:
    """Return the connection that the settings describe.

    Raises:
        SettingsError: there is no such provider of tokens.
    """
    return Connection(parse_servers(settings.kafka_bootstrap_servers), Security.of(settings))
