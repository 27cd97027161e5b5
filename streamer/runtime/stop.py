"""How an operator asks a process to stop."""

import asyncio
import signal


def stop_signal() -> asyncio.Event:
    """Return what SIGTERM or SIGINT will set; to be called first, so that none is missed."""
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    return asked
