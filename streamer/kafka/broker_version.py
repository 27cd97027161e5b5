"""Whether the brokers are of a version that Refrain can use: told by the requests that they know."""

from collections.abc import Iterable
from typing import Final

from aiokafka.conn import collect_hosts, create_conn
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.admin import ApiVersionRequest

from streamer.errors import ContractError
from streamer.kafka.connection import Connection

#: The oldest version whose requests `requests` and `authorizer` write, and how it can be told: by InitProducerId.
OLDEST: Final = "2.5"
_INIT_PRODUCER_ID: Final = 22
_SINCE_OLDEST: Final = 3

_LIMIT_MS: Final = 10_000


async def check_version(connection: Connection) -> None:
    """Ask the first broker that answers which requests it knows.

    Raises:
        ContractError: it is too old.
        KafkaConnectionError: no broker answers.
    """
    for host, port, _ in collect_hosts(list(connection.servers)):
        try:
            broker = await create_conn(
                host, port, request_timeout_ms=_LIMIT_MS, **dict(connection.security.client_options())
            )
        except (OSError, KafkaConnectionError):
            continue
        try:
            response = await broker.send(ApiVersionRequest())
        finally:
            if (closed := broker.close()) is not None:
                await closed
        require_version(f"{host}:{port}", response.api_versions)
        return
    raise KafkaConnectionError("no broker answers")


def require_version(address: str, known: Iterable[tuple[int, int, int]]) -> None:
    """Check which requests a broker knows: each by its number, with its lowest and highest version.

    Raises:
        ContractError: it is too old.
    """
    if not any(number == _INIT_PRODUCER_ID and highest >= _SINCE_OLDEST for number, _, highest in known):
        raise ContractError(f"{address} is older than Kafka {OLDEST}: upgrade the brokers")
