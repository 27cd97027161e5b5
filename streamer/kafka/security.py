"""How a connection is encrypted, and how we say who we are."""

import ssl
from dataclasses import dataclass, field
from typing import Final, Self

from aiokafka.abc import AbstractTokenProvider
from pydantic import SecretStr

from streamer.errors import SettingsError
from streamer.kafka.tokens import find_tokens
from streamer.settings import Settings

_TLS: Final = ("SSL", "SASL_SSL")


@dataclass(frozen=True, slots=True)
class Tls:
    """Encryption, and the certificates of both sides; the files are read again for every client.

    Attributes:
        ca_file: of the authorities that may sign a broker's certificate; empty: the system's.
        certificate_file: ours; empty: none.
        key_file: the certificate's key; empty: it is in the same file.
        key_password: empty: the key has none.
        checks_hostname: whether a broker's certificate must name its host.
    """

    ca_file: str
    certificate_file: str
    key_file: str
    key_password: SecretStr
    checks_hostname: bool

    def context(self) -> ssl.SSLContext:
        """Read the files.

        Raises:
            SettingsError: one of them does not hold what it should.
        """
        try:
            context = ssl.create_default_context(cafile=self.ca_file or None)
        except OSError as exc:
            raise SettingsError(f"REFRAIN_KAFKA_CA_FILE={self.ca_file}: holds no certificates: {exc}") from exc
        context.check_hostname = self.checks_hostname
        if self.certificate_file:
            self._load_certificate(context)
        return context

    def _load_certificate(self, context: ssl.SSLContext) -> None:
        def password() -> str:  # unlike None, never asked for on the terminal
            return self.key_password.get_secret_value()

        try:
            context.load_cert_chain(self.certificate_file, self.key_file or None, password)
        except OSError as exc:
            raise SettingsError(
                f"REFRAIN_KAFKA_CERTIFICATE_FILE={self.certificate_file}: the certificate and its key cannot be used: "
                f"{exc}; check REFRAIN_KAFKA_KEY_FILE, and REFRAIN_KAFKA_KEY_PASSWORD if the key is encrypted"
            ) from None  # nothing of a secret in a traceback


@dataclass(frozen=True, slots=True)
class Login:
    """Who we are, by SASL: a user with a password, or the bearer of a token.

    Attributes:
        mechanism: as Kafka names it.
        username: empty with a token.
        password: empty with a token.
        tokens: None with a password.
    """

    mechanism: str
    username: str
    password: SecretStr
    tokens: AbstractTokenProvider | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Security:
    """The protection of a connection; by default none.

    Attributes:
        tls: None leaves it unencrypted.
        login: None leaves us anonymous, or known by our certificate.
    """

    tls: Tls | None = None
    login: Login | None = None

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the security that the settings describe.

        Raises:
            SettingsError: there is no such provider of tokens.
        """
        tls, login = None, None
        if settings.kafka_security_protocol in _TLS:
            tls = Tls(
                settings.kafka_ca_file, settings.kafka_certificate_file, settings.kafka_key_file,
                settings.kafka_key_password, settings.kafka_check_hostname,
            )  # fmt: skip
        if mechanism := settings.kafka_sasl_mechanism:
            tokens = find_tokens(settings.kafka_token_file, settings.kafka_token_provider)
            login = Login(mechanism, settings.kafka_username, settings.kafka_password, tokens)
        return cls(tls, login)

    @property
    def protocol(self) -> str:
        """Kafka's name for the protocol."""
        encrypted = "SSL" if self.tls else "PLAINTEXT"
        return f"SASL_{encrypted}" if self.login else encrypted

    def client_options(self) -> dict[str, object]:
        """Return the arguments by which any aiokafka client protects its connections.

        Raises:
            SettingsError: a file of certificates does not hold what it should.
        """
        options: dict[str, object] = {"security_protocol": self.protocol}
        if self.tls:
            options["ssl_context"] = self.tls.context()
        if self.login:
            options |= {
                "sasl_mechanism": self.login.mechanism,
                "sasl_plain_username": self.login.username or None,
                "sasl_plain_password": self.login.password.get_secret_value() or None,
                "sasl_oauth_token_provider": self.login.tokens,
            }
        return options


#: No encryption, no login.
PLAIN: Final = Security()
