import socket

from streamer.local.ports import PORTS, free_port, is_free


def test_a_port_that_is_listened_on_is_not_free() -> None:
    port = free_port()
    assert is_free(port)

    with socket.create_server(("127.0.0.1", port)):
        assert not is_free(port)


def test_a_port_outside_those_of_clients_is_drawn_that_the_caller_has_not_drawn_before() -> None:
    drawn = set(PORTS[100:])

    assert free_port(other_than=drawn) in PORTS[:100]
