"""What may be between a browser and a worker: it keeps connections open, and can hold back every byte."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

_PIECE: Final = 1 << 16


@dataclass(frozen=True)
class Proxy:
    """Passes on bytes, in both directions, while they flow.

    Attributes:
        worker: host and port.
        listener: of browsers.
    """

    worker: tuple[str, int]
    listener: socket.socket
    _flows: threading.Event = field(default_factory=threading.Event)
    _sockets: list[socket.socket] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where browsers find it."""
        return "http://127.0.0.1:{1}".format(*self.listener.getsockname())

    def stall(self) -> None:
        """Pass on nothing more; connections stay open."""
        self._flows.clear()

    def flow(self) -> None:
        """Pass on what was held back, and what comes."""
        self._flows.set()

    def serve(self) -> None:
        """Take connections until the listener is shut down."""
        with suppress(OSError):
            while True:
                browser, _ = self.listener.accept()
                worker = socket.create_connection(self.worker)
                self._sockets.extend((browser, worker))
                for ends in ((browser, worker), (worker, browser)):
                    threading.Thread(target=self._pass_on, args=ends, daemon=True).start()

    def close(self) -> None:
        """End it, and all connections."""
        self.flow()
        for each in (self.listener, *self._sockets):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(_PIECE):
                self._flows.wait()
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)


@contextmanager
def between(worker_url: str) -> Iterator[Proxy]:
    """Serve a proxy in front of a worker; bytes flow."""
    parts = urlsplit(worker_url)
    proxy = Proxy((str(parts.hostname), parts.port or 80), socket.create_server(("127.0.0.1", 0)))
    proxy.flow()
    serving = threading.Thread(target=proxy.serve, name="proxy")
    serving.start()
    try:
        yield proxy
    finally:
        proxy.close()
        serving.join()
