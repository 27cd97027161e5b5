import pytest
from aiokafka.conn import collect_hosts

from streamer.kafka.connection import Connection, connection_of
from streamer.settings import Settings


def test_a_connection_names_each_broker_as_a_client_of_kafka_reads_it() -> None:
    connection = connection_of(Settings(kafka_bootstrap_servers="a:1, [::1]:2"))

    hosts = collect_hosts(connection.client_options()["bootstrap_servers"])

    assert sorted((host, port) for host, port, _ in hosts) == [("::1", 2), ("a", 1)]


def test_a_connection_to_nowhere_is_refused() -> None:
    with pytest.raises(ValueError, match="lacks a port"):
        Connection.parse("localhost")
