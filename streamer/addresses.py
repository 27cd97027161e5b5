"""Addresses as people write them: those of Kafka's brokers and of web servers, and URLs that may hold passwords."""

import re
from urllib.parse import urlsplit

_SCHEME = re.compile(r"^[A-Za-z][A-Za-z0-9+._-]*://")
_IPV6 = re.compile(r"^\[[0-9A-Fa-f:.]+(%[\w.-]+)?\]$")
_HOST = re.compile(r"^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?$")
_MAX_PORT = 65_535
_MAX_URL = 500
_PRINTED = re.compile(r"[!-~]*")
_USERINFO = re.compile(r"://[^/\s'\"]*@")
_QUERY = re.compile(r"(://[^?\s'\"]+\?)[^\s'\"]+")


def parse_servers(text: str) -> tuple[str, ...]:
    """Return the addresses in a list of brokers, each as `host:port`.

    Blanks, line ends and empty places in the list do not count.

    Args:
        text: addresses separated by commas; IPv6 in brackets.

    Raises:
        ValueError: there is none, or one is not `host:port`.
    """
    servers = tuple(dict.fromkeys(_check(part) for part in re.split(r"[,\s]+", text) if part))
    if not servers:
        raise ValueError("there is no address in it; write host:port, and commas between several")
    return servers


def _check(address: str) -> str:
    if ";" in address:
        raise ValueError(f"separate addresses by commas: {address.replace(';', ',')}")
    if scheme := _SCHEME.match(address):
        raise ValueError(f"write {address[scheme.end() :]} without {scheme[0]}")
    if address.count(":") > 1 and not address.startswith("["):
        raise ValueError(f"write the IPv6 address in {address} in brackets, as in [::1]:9092")
    host, colon, port = address.rpartition(":")
    if not colon or address.endswith("]"):
        raise ValueError(f"{address} lacks a port; Kafka's is {address}:9092 unless somebody chose another")
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= _MAX_PORT):
        raise ValueError(f"the port of {address} must be a number from 1 to {_MAX_PORT}")
    if not (_IPV6 if host.startswith("[") else _HOST).match(host):
        raise ValueError(f"{host!r} in {address} is no host name or IP address")
    return f"{host}:{int(port)}"


def parse_web_url(text: str) -> str:
    """Return the URL of a web server, without the slash at its end.

    Raises:
        ValueError: it is none of HTTP, or holds more than scheme, host and port.
    """
    url = urlsplit(text)
    if url.scheme not in {"http", "https"} or not url.hostname or not _PRINTED.fullmatch(text) or len(text) > _MAX_URL:
        raise ValueError("write it as http://host:port or https://host:port")
    if url.port == 0:  # reading a port that is no number from 0 to 65535 raises too
        raise ValueError("name the port: nothing answers at port 0")
    if "@" in url.netloc or url.path.rstrip("/") or "?" in text or "#" in text:
        raise ValueError("write it without user, password, path, query and fragment")
    return f"{url.scheme}://{url.netloc}"


def mask(text: str) -> str:
    """Hide user names, passwords and query strings in the URLs of a text."""
    return _QUERY.sub(r"\1***", _USERINFO.sub("://***@", text))
