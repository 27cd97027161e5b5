"""Where the tokens of OAUTHBEARER come from; each connection to a broker asks for one.

A broker ends a connection whose token has expired, and the next connection brings a new token.
"""

import asyncio
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from aiokafka.abc import AbstractTokenProvider
from aiokafka.errors import AuthenticationFailedError

from streamer.errors import SettingsError

GROUP: Final = "refrain.kafka_tokens"


class Tokens(AbstractTokenProvider):  # type: ignore[misc]  # aiokafka is untyped
    """Gives the token that a function returns at the time.

    Args:
        source: names the function in errors.
        fetch: returns a token; it may block.
    """

    def __init__(self, source: str, fetch: Callable[[], str]) -> None:
        self._source = source
        self._fetch = fetch

    async def token(self) -> str:
        """Return a token.

        Raises:
            AuthenticationFailedError: there is none; aiokafka tries again with the next connection.
        """
        try:
            token = (await asyncio.to_thread(self._fetch)).strip()
        except Exception as exc:  # the code of others
            raise AuthenticationFailedError(f"{self._source} gives no token: {type(exc).__name__}: {exc}") from exc
        if not token:
            raise AuthenticationFailedError(f"{self._source} gives an empty token")
        return token


def find_tokens(file: str, provider: str) -> Tokens | None:
    """Return the tokens of a file or of an entry point, None if neither is named.

    Raises:
        SettingsError: there is no such entry point, or it cannot be loaded.
    """
    if file:
        return Tokens(f"REFRAIN_KAFKA_TOKEN_FILE={file}", Path(file).read_text)
    if not provider:
        return None
    known = {point.name: point for point in entry_points(group=GROUP)}
    if provider not in known:
        raise SettingsError(
            f"REFRAIN_KAFKA_TOKEN_PROVIDER={provider!r}: no installed package has such an entry point in the group "
            f"{GROUP}; there are: {', '.join(sorted(known)) or 'none'}"
        )
    try:
        return Tokens(f"REFRAIN_KAFKA_TOKEN_PROVIDER={provider}", known[provider].load())
    except Exception as exc:  # the code of others
        raise SettingsError(
            f"REFRAIN_KAFKA_TOKEN_PROVIDER={provider!r}: it cannot be loaded: {type(exc).__name__}: {exc}"
        ) from exc
