"""The door: who may ask what.

Without tokens, only a request that comes from this machine and names it as its host is let in: a page of another site
whose name resolves to 127.0.0.1 names that site. With tokens, everybody needs one, wherever they ask from.
"""

import hmac
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, Literal, TypeAlias
from urllib.parse import urlsplit

from aiohttp import web

from streamer.errors import QueryError
from streamer.queries.routes import Right
from streamer.wire.views_access import Access

#: Headers that a proxy adds: what it forwards comes from this machine, but nobody knows whose question it is.
_OF_PROXIES: Final = ("Forwarded", "Via", "X-Forwarded-For", "X-Real-IP")

_Held: TypeAlias = Literal["read", "act"]
_BOTH: Final[tuple[_Held, ...]] = ("read", "act")

_SCHEME: Final = "bearer "

_NOT_HERE: Final = (
    "without tokens, only requests from this machine to a loopback address are answered; set REFRAIN_READ_TOKEN and "
    "REFRAIN_ACT_TOKEN to let others in"
)
_NO_TOKEN: Final = "a token is needed: send it as `Authorization: Bearer TOKEN`; see REFRAIN_READ_TOKEN"  # noqa: S105  none
_WRONG_TOKEN: Final = "the token is neither REFRAIN_READ_TOKEN nor REFRAIN_ACT_TOKEN of this worker"  # noqa: S105  none
_NO_RIGHT: Final = {
    Right.READ: _WRONG_TOKEN,
    Right.ACT: "the token may read, not act; this needs REFRAIN_ACT_TOKEN",
}
_OTHER_SITE: Final = "a page of another site asks; only the page of this worker may"


@dataclass(frozen=True, slots=True)
class Door:
    """Lets requests in.

    Attributes:
        read_token: of those who may read; empty: there is none.
        act_token: of those who may also act; empty: there is none.
    """

    read_token: str = ""
    act_token: str = ""

    @property
    def needs_token(self) -> bool:
        """Whether tokens are set."""
        return bool(self.read_token or self.act_token)

    def check(self, request: web.Request, right: Right) -> None:
        """Let a request in that may do what it asks for.

        Raises:
            QueryError: it may not; says what is missing.
        """
        if right is Right.NONE:
            return
        if _is_of_other_site(request):
            raise QueryError("forbidden", _OTHER_SITE)
        if right.value in self._rights(request):
            return
        if not self.needs_token:
            raise QueryError("forbidden", _NOT_HERE)
        if not _token(request):
            raise QueryError("unauthorized", _NO_TOKEN)
        if "read" not in self._rights(request):
            raise QueryError("unauthorized", _WRONG_TOKEN)
        raise QueryError("forbidden", _NO_RIGHT[right])

    def describe(self, request: web.Request) -> Access:
        """Say what whoever asks may do."""
        rights = self._rights(request)
        missing = _NOT_HERE if not self.needs_token else _WRONG_TOKEN if _token(request) else _NO_TOKEN
        return Access(
            needs_token=self.needs_token,
            rights=rights,
            message=None if rights else missing,
        )

    def _rights(self, request: web.Request) -> tuple[_Held, ...]:
        if not self.needs_token:
            return _BOTH if _is_local(request) else ()
        token = _token(request)
        may_read, may_act = _is_same(token, self.read_token), _is_same(token, self.act_token)
        if may_act:
            return _BOTH
        return ("read",) if may_read else ()


def _is_same(given: str, token: str) -> bool:
    """Compare in a time that does not say how much of a token was right; without a token, nothing is."""
    return bool(token) & hmac.compare_digest(given.encode(errors="surrogateescape"), token.encode())


def _token(request: web.Request) -> str:
    header = request.headers.get("Authorization", "")
    return header[len(_SCHEME) :].strip() if header[: len(_SCHEME)].lower() == _SCHEME else ""


def _is_local(request: web.Request) -> bool:
    """Whether a request comes from this machine, through no proxy, to a host that a browser knows as this machine."""
    if any(name in request.headers for name in _OF_PROXIES):
        return False
    return _is_loopback(request.remote or "") and _is_loopback(_host(request))


def _host(request: web.Request) -> str:
    try:
        return urlsplit(f"//{request.headers.get('Host', '')}").hostname or ""
    except ValueError:
        return ""


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def _is_of_other_site(request: web.Request) -> bool:
    """Whether a browser sends a request for a page of another site, by what the page cannot forge.

    Browsers of the last years say so themselves; the older ones name the page's origin where it matters.
    """
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc != request.headers.get("Host")
