"""Whether Kafka lets us in: asked once when a process starts, because aiokafka logs the true cause and hides it.

The questions are asked on bare connections. Each answer is an error in one line that says what to do.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine, Sequence
from typing import Any, Final, NoReturn, TypeVar

from aiokafka.conn import AIOKafkaConnection, collect_hosts, create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaConnectionError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from aiokafka.protocol.metadata import MetadataRequest

from streamer.errors import AccessError
from streamer.kafka.authorizer import find_missing
from streamer.kafka.clients import closing_connections
from streamer.kafka.connection import Connection
from streamer.kafka.rights import Right

_Result = TypeVar("_Result")

_LIMIT_MS: Final = 10_000

#: To the first a broker answers even if it has refused our token, which aiokafka takes for a login.
_QUESTIONS: Final = 2

_TLS_REMEDY: Final = "set REFRAIN_KAFKA_SECURITY_PROTOCOL to"

_NO_TLS_HERE: Final = f"does not speak TLS: {_TLS_REMEDY} PLAINTEXT or SASL_PLAINTEXT, or take its port for TLS"

#: OpenSSL's codes for what is wrong with a broker's certificate.
_EXPIRED: Final = 10
_NOT_YET_VALID: Final = 9
_WRONG_HOST: Final = (62, 64)

#: In OpenSSL's words: what answers does not speak TLS.
_NO_TLS: Final = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "UNKNOWN_PROTOCOL", "HTTP_REQUEST")


async def check_access(connection: Connection, rights: Sequence[Right] = ()) -> None:
    """Connect to the first broker that answers, log in, and look for rights that are missing.

    Raises:
        AccessError: Kafka refuses us, or we refuse its certificate; names the cause and the remedy.
        KafkaConnectionError: no broker answers.
    """
    silent: list[str] = []
    for host, port, _ in collect_hosts(list(connection.servers)):
        try:
            broker = await _connect(connection, host, port)
        except (OSError, KafkaConnectionError) as exc:  # silent ones; the others' errors are no longer of these types
            silent.append(f"{host}:{port} ({_cause(exc)})")
            continue
        try:
            missing = await find_missing(broker, lambda host, port: _connect(connection, host, port), rights)
        finally:
            await _close(broker)
        if missing:
            raise AccessError(f"{_principal(connection)} lacks {', '.join(map(str, missing))}; see docs/access.md")
        return
    raise KafkaConnectionError(f"no broker answers: {', '.join(silent)}")


async def once_admitted(
    connection: Connection, rights: Sequence[Right], call: Coroutine[None, None, _Result]
) -> _Result:
    """Check the access, then make a call.

    Raises:
        AccessError: the access is refused; the call was not made.
        KafkaConnectionError: no broker answers, or the call found that.
    """
    with contextlib.closing(call):
        await check_access(connection, rights)
        return await call


async def _connect(connection: Connection, host: str, port: int) -> AIOKafkaConnection:
    """Connect to a broker until it answers a question that it answers only to those whom it has let in."""
    options = dict(connection.security.client_options())
    address = f"{host}:{port}"
    try:
        broker = await create_conn(host, port, request_timeout_ms=_LIMIT_MS, **options)
    except ssl.SSLError as exc:
        _refuse_tls(exc, address)
    except ConnectionError as exc:  # during the handshake: somebody listens
        if connection.security.tls and await _speaks_plainly(host, port):
            raise AccessError(f"{address} {_NO_TLS_HERE}") from exc
        raise
    except (AuthenticationFailedError, SaslAuthenticationFailed) as exc:
        raise AccessError(f"{address} does not let {_principal(connection)} in: {_text(exc)}; {_LOGIN_REMEDY}") from exc
    except (UnsupportedSaslMechanismError, IllegalSaslStateError) as exc:
        raise AccessError(f"{address} rejects REFRAIN_KAFKA_SASL_MECHANISM: {_text(exc)}") from exc
    except KafkaConnectionError as exc:
        await _explain_silence(connection, host, port, exc)
        raise
    try:
        with closing_connections():
            for _ in range(_QUESTIONS):
                await broker.send(MetadataRequest([]))
    except KafkaError as exc:
        await _close(broker)
        await _explain_silence(connection, host, port, exc)
        raise
    return broker


_LOGIN_REMEDY: Final = "check user and password, or the token, and the mechanism"


def _refuse_tls(error: ssl.SSLError, address: str) -> NoReturn:
    if isinstance(error, ssl.SSLCertVerificationError):
        raise AccessError(f"the certificate of {address} {_flaw(error)}") from error
    if error.reason in _NO_TLS:
        raise AccessError(f"{address} {_NO_TLS_HERE}") from error
    raise AccessError(f"{address} ends the TLS handshake: {_text(error)}") from error


def _flaw(error: ssl.SSLCertVerificationError) -> str:
    if error.verify_code == _EXPIRED:
        return "has expired: renew it on the broker"
    if error.verify_code == _NOT_YET_VALID:
        return "is not valid yet: check the clocks of broker and client"
    if error.verify_code in _WRONG_HOST:
        return (f"is for another host ({error.verify_message}): name the broker in REFRAIN_KAFKA_BOOTSTRAP_SERVERS as "
                "its certificate does")  # fmt: skip
    return (
        f"is not signed by an authority we trust ({error.verify_message}): set REFRAIN_KAFKA_CA_FILE to its authority"
    )


async def _explain_silence(connection: Connection, host: str, port: int, error: KafkaError) -> None:
    """Say why a broker hung up on us, where that can be known.

    Raises:
        AccessError: it can.
    """
    address, protocol = f"{host}:{port}", connection.security.protocol
    cause = error.__cause__
    if isinstance(cause, ssl.SSLError):  # with TLS 1.3, after the handshake
        raise AccessError(f"{address} refuses our certificate: {_text(cause)}; check REFRAIN_KAFKA_CERTIFICATE_FILE, "
                          "and that the broker trusts its authority") from error  # fmt: skip
    if connection.security.tls is None and await _speaks_tls(host, port):
        raise AccessError(f"{address} speaks TLS: {_TLS_REMEDY} {'SASL_SSL' if connection.security.login else 'SSL'}, "
                          f"not {protocol}") from error  # fmt: skip
    if connection.security.login and connection.security.login.tokens:
        raise AccessError(f"{address} refuses the token: it has expired, or is not for this cluster") from error
    if connection.security.login is None and isinstance(cause, EOFError | ConnectionError):
        raise AccessError(f"{address} hangs up on whoever does not log in: {_TLS_REMEDY} SASL_{protocol}, and "
                          "REFRAIN_KAFKA_SASL_MECHANISM") from error  # fmt: skip


async def _speaks_tls(host: str, port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # nothing is sent: we only look who is there
    try:
        async with asyncio.timeout(_LIMIT_MS / 1000):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError):
        return False
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return True


async def _speaks_plainly(host: str, port: int) -> bool:
    try:
        await _close(await create_conn(host, port, request_timeout_ms=_LIMIT_MS))
    except (OSError, KafkaError, TimeoutError):
        return False
    return True


async def _close(broker: AIOKafkaConnection) -> None:
    if (closed := broker.close()) is not None:
        await closed


def _principal(connection: Connection) -> str:
    login = connection.security.login
    if login is None:
        return "our certificate's user" if connection.security.tls else "ANONYMOUS"
    return f"user {login.username!r}" if login.username else "the token's user"


def _cause(error: BaseException) -> str:
    return _text(error.__cause__ or error)


def _text(error: Any) -> str:
    return " ".join(str(error).split()) or type(error).__name__
