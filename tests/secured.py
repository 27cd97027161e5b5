"""A Kafka with TLS, users and ACLs, as a platform team runs it, beside a plain listener for the tests' own hands."""

import hashlib
import os
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiokafka.conn import AIOKafkaConnection, create_conn
from aiokafka.protocol.admin import CreateAclsRequest_v1, DeleteAclsRequest_v1
from aiokafka.protocol.api import RequestStruct, Response
from aiokafka.protocol.types import (
    CompactArray,
    CompactBytes,
    CompactString,
    Int8,
    Int16,
    Int32,
    Schema,
    TaggedFields,
)

from streamer.kafka.authorizer import Exactly
from streamer.kafka.rights import CODES, Right
from streamer.local.devkafka import DevKafka
from streamer.local.ports import free_port
from tests.certificates import Authority, make_authority, sign

USER: Final = "refrain"
PASSWORD: Final = 'pass "word" = 1;'  # with what configuration files like to trip over

#: What each listener speaks. `expired` and `elsewhere` have certificates that are, or are for another host.
LISTENERS: Final = {
    "sasl": "SASL_SSL", "clear": "SASL_PLAINTEXT", "mutual": "SSL", "expired": "SASL_SSL", "elsewhere": "SASL_SSL",
}  # fmt: skip

_RESOURCES: Final = {"topic": 2, "group": 3, "transactional id": 5}
_LITERAL, _PREFIXED, _ALLOW, _ANY = 3, 4, 3, 1
_ITERATIONS: Final = 4096


@dataclass(frozen=True, slots=True)
class SecuredKafka:
    """The broker; `plain` is its super user's listener."""

    plain: DevKafka
    authority: Authority
    directory: Path
    ports: dict[str, int] = field(default_factory=dict)

    def address(self, listener: str) -> str:
        return f"127.0.0.1:{self.ports[listener]}"

    def environment(self, listener: str = "sasl", user: str = USER, password: str = PASSWORD) -> dict[str, str]:
        """Return the settings of a client that logs in by SCRAM."""
        settings = {
            "BOOTSTRAP_SERVERS": self.address(listener), "SECURITY_PROTOCOL": LISTENERS[listener],
            "SASL_MECHANISM": "SCRAM-SHA-512", "USERNAME": user, "PASSWORD": password,
        }  # fmt: skip
        if "SSL" in LISTENERS[listener].split("_"):
            settings["CA_FILE"] = str(self.authority.file)
        return {f"REFRAIN_KAFKA_{name}": value for name, value in settings.items()}

    @asynccontextmanager
    async def admin(self) -> AsyncIterator[AIOKafkaConnection]:
        """Connect as the super user; one node is broker and controller."""
        host, port = self.plain.bootstrap_servers.split(":")
        connection = await create_conn(host, int(port))
        try:
            yield connection
        finally:
            await connection.close()

    async def add_user(self, user: str = USER, password: str = PASSWORD) -> None:
        """Let a user log in by SCRAM."""
        async with self.admin() as connection:
            for number, name in ((1, "sha256"), (2, "sha512")):
                salt = os.urandom(16)
                salted = hashlib.pbkdf2_hmac(name, password.encode(), salt, _ITERATIONS)
                upsertion: tuple[object, ...] = (user, number, _ITERATIONS, salt, salted, {})
                response = await connection.send(Exactly(_AlterScramRequest([], [upsertion], {})))
                assert [code for _, code, *_ in response.results] == [0], response

    async def grant(self, rights: Iterable[Right], user: str = USER) -> None:
        """Give a user rights."""
        acls = [
            (_RESOURCES[right.resource], right.name, _PREFIXED if right.is_prefix else _LITERAL, f"User:{user}", "*",
             CODES[right.operation], _ALLOW)
            for right in rights
        ]  # fmt: skip
        async with self.admin() as connection:
            response = await connection.send(Exactly(CreateAclsRequest_v1(acls)))
        assert {code for code, _ in response.creation_responses} <= {0}, response

    async def revoke(self, right: Right, user: str = USER) -> None:
        """Take a right from a user."""
        acl = (_RESOURCES[right.resource], right.name, _PREFIXED if right.is_prefix else _LITERAL, f"User:{user}", "*",
               CODES[right.operation], _ALLOW)  # fmt: skip
        async with self.admin() as connection:
            response = await connection.send(Exactly(DeleteAclsRequest_v1([acl])))
        assert [len(matches) for *_, matches in response.filter_responses] == [1], response


@contextmanager
def secured_kafka(directory: Path) -> Iterator[SecuredKafka]:
    """Run such a broker."""
    directory.mkdir(exist_ok=True)
    authority = make_authority(directory, "authority")
    ports: dict[str, int] = {}
    for listener in LISTENERS:
        ports[listener] = free_port(other_than=set(ports.values()))
    certificates = {
        "sasl": sign(authority, directory, "broker"),
        "expired": sign(authority, directory, "expired", valid_days=-1),
        "elsewhere": sign(authority, directory, "elsewhere", host="kafka.example.com"),
    }
    config = _config(ports, certificates, authority)
    with DevKafka(directory / "kafka", broker_config=config) as broker:
        yield SecuredKafka(broker, authority, directory, ports)


def _config(ports: dict[str, int], certificates: dict[str, Path], authority: Authority) -> dict[str, str | int]:
    addresses = ",".join(f"{listener.upper()}://127.0.0.1:{port}" for listener, port in ports.items())
    protocols = ",".join(f"{listener.upper()}:{protocol}" for listener, protocol in LISTENERS.items())
    config: dict[str, str | int] = {
        "listeners": addresses, "advertised.listeners": addresses,
        "listener.security.protocol.map": f"CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,{protocols}",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": "User:ANONYMOUS", "listener.name.mutual.ssl.client.auth": "required",
    }  # fmt: skip
    for listener, protocol in LISTENERS.items():
        prefix = f"listener.name.{listener}"
        if protocol.endswith("SSL"):
            config |= {
                f"{prefix}.ssl.keystore.type": "PEM", f"{prefix}.ssl.truststore.type": "PEM",
                f"{prefix}.ssl.keystore.location": str(certificates.get(listener, certificates["sasl"])),
                f"{prefix}.ssl.truststore.location": str(authority.file),
            }  # fmt: skip
        if protocol.startswith("SASL"):
            config |= _logins(prefix)
    return config


def _logins(prefix: str) -> dict[str, str]:
    security = "org.apache.kafka.common.security"
    password = PASSWORD.replace("\\", "\\\\").replace('"', '\\\\"')  # once for JAAS, once for properties
    return {
        f"{prefix}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        f"{prefix}.scram-sha-256.sasl.jaas.config": f"{security}.scram.ScramLoginModule required;",
        f"{prefix}.scram-sha-512.sasl.jaas.config": f"{security}.scram.ScramLoginModule required;",
        f"{prefix}.plain.sasl.jaas.config": f'{security}.plain.PlainLoginModule required user_{USER}="{password}";',
        f"{prefix}.oauthbearer.sasl.jaas.config": (
            f'{security}.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub="broker";'
        ),
    }


class _AlterScramResponse(Response):  # type: ignore[misc]  # aiokafka is untyped
    API_KEY = 51
    API_VERSION = 0
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("results", CompactArray(
            ("user", CompactString()), ("error_code", Int16), ("message", CompactString()), ("tags", TaggedFields),
        )),
        ("tags", TaggedFields),
    )  # fmt: skip


class _AlterScramRequest(RequestStruct):  # type: ignore[misc]
    FLEXIBLE_VERSION = True
    API_KEY = 51
    API_VERSION = 0
    RESPONSE_TYPE = _AlterScramResponse
    SCHEMA = Schema(
        ("deletions", CompactArray(("name", CompactString()), ("mechanism", Int8), ("tags", TaggedFields))),
        ("upsertions", CompactArray(
            ("name", CompactString()), ("mechanism", Int8), ("iterations", Int32), ("salt", CompactBytes),
            ("salted_password", CompactBytes), ("tags", TaggedFields),
        )),
        ("tags", TaggedFields),
    )  # fmt: skip
