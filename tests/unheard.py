"""What asyncio would only log: an error that nobody has heard of."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def nothing_unheard() -> AsyncIterator[None]:
    """Fail if a future of the block, to which nobody refers behind it, has an error that nobody has heard of."""
    loop, unheard = asyncio.get_running_loop(), list[dict[str, Any]]()
    loop.set_exception_handler(lambda _, context: unheard.append(context))
    try:
        yield
        await asyncio.sleep(0)  # callbacks that are due refer to their futures
        gc.collect()
    finally:
        loop.set_exception_handler(None)
    assert unheard == []
