"""The web server of worker and trainer: /metrics for Prometheus, /healthz and /readyz for the orchestrator."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from streamer.errors import SettingsError

logger = logging.getLogger(__name__)

_failures: Final = logging.getLogger(f"{__name__}.failures")
_failures.addFilter(lambda record: not _is_no_http(record))

#: Says what is wrong, briefly; empty if nothing is.
Complaint = Callable[[], str]

#: The largest body of a request.
MAX_BODY_BYTES: Final = 64 << 10

#: Seconds that requests under way have to end once the server stops: a process has ten in all.
_SHUTDOWN_S: Final = 1.0


class WebServer:
    """Serves as soon as it is started, also before recovery.

    Args:
        host: address to bind.
        port: port to bind; 0 picks a free one.
        registry: the metrics that /metrics serves.
        unhealthy: says why the process should be restarted.
        unready: says why the process is not working yet.
        remark: says what is worth knowing of a process that is ready.
        extend: adds routes; None: there are no others.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        registry: CollectorRegistry,
        unhealthy: Complaint,
        unready: Complaint,
        remark: Complaint = str,
        extend: Callable[[web.Application], None] | None = None,
    ) -> None:
        self._host, self._port = host, port
        self._registry = registry
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/healthz", _answer_with(unhealthy, str))
        app.router.add_get("/readyz", _answer_with(unready, remark))
        if extend:
            extend(app)
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_S, logger=_failures
        )

    async def start(self) -> int:
        """Start serving; return the port.

        Raises:
            SettingsError: host and port cannot be bound.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as exc:
            await self._runner.cleanup()
            raise _not_served(self._host, self._port, exc) from exc
        port = int(self._runner.addresses[0][1])
        logger.info("web server started port=%d", port)
        return port

    async def stop(self) -> None:
        """Stop serving."""
        await self._runner.cleanup()

    async def _metrics(self, _: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def check_address(host: str, port: int) -> None:
    """See that an address can be served, before anything else is started.

    Raises:
        SettingsError: host and port cannot be bound.
    """
    try:
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
    except OSError as exc:
        raise _not_served(host, port, exc) from exc
    server.close()
    await server.wait_closed()


def _not_served(host: str, port: int, error: OSError) -> SettingsError:
    is_of_names = isinstance(error, socket.gaierror) or not error.errno
    cause = error.strerror if is_of_names else os.strerror(error.errno or 0)  # asyncio puts an address in front of it
    return SettingsError(
        f"nothing can be served at {host}, port {port}: {cause}; set REFRAIN_WEB_HOST and REFRAIN_WEB_PORT (worker) or "
        "REFRAIN_TRAINER_WEB_PORT (trainer) to an address that is free"
    )


def _is_no_http(record: logging.LogRecord) -> bool:
    """Whether somebody sent what is no HTTP: they hear of it, and must not fill the log."""
    return bool(record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _answer_with(complaint: Complaint, remark: Complaint) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def answer(_: web.Request) -> web.Response:
        problem = complaint()
        return web.Response(text=f"{problem or remark() or 'ok'}\n", status=503 if problem else 200)

    return answer
