"""Ports of the loopback interface that nobody holds."""

import socket
from collections.abc import Container
from random import SystemRandom
from typing import Final

PORTS: Final = range(20_000, 32_000)  # below Linux' and macOS' ephemeral ports: no client's socket lands on them


def free_port(*, other_than: Container[int] = ()) -> int:
    """Draw a port that is free now; somebody else may be quicker to use it."""
    random = SystemRandom()  # processes that start at once must not draw the same ports
    while True:
        port = random.choice(PORTS)
        if port not in other_than and is_free(port):
            return port


def is_free(port: int) -> bool:
    """Tell whether one could listen on a port."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections that linger do not count
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
