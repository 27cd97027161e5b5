"""Free ports of the loopback interface."""

import socket
from collections.abc import Container
from random import SystemRandom
from typing import Final

PORTS: Final = range(20_000, 32_000)  # below the ephemeral ports of Linux and macOS, so no client's socket takes them


def free_port(*, other_than: Container[int] = ()) -> int:
    """Draw a port that is free now; another process may take it before the caller does."""
    random = SystemRandom()  # processes that start at the same time must not draw the same ports
    while True:
        port = random.choice(PORTS)
        if port not in other_than and is_free(port):
            return port


def is_free(port: int) -> bool:
    """Return whether a port can be listened on."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # lingering connections do not count
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
