"""Signatures of releases: who may say which weights workers take up.

A release is signed when it is promoted: `manifest.sig` beside its manifest holds the 64 bytes of an ed25519 signature
of the manifest, which holds the checksum of every other file. Where workers know public keys, a release without a valid
signature of one of them is not taken up, whoever may write to the store and to the topic. Several keys, for a while,
let the private one be replaced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from models.release_files import InvalidRelease, read_manifest
from models.release_folder import FileTooLargeError, Folder
from streamer.errors import SettingsError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

SIGNATURE: Final = "manifest.sig"

_NUM_BYTES: Final = 64
_END: Final = "-----END PUBLIC KEY-----"
_MAKE: Final = "make one with `openssl genpkey -algorithm ed25519`"


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs releases.

    Attributes:
        key: the private key.
    """

    key: Ed25519PrivateKey

    def sign(self, folder: Folder, manifest_sha256: str) -> None:
        """Sign the release in a directory, whose manifest is known.

        Raises:
            InvalidRelease: it has another manifest.
            OSError: the store fails; a StoreError where it is ours.
        """
        folder.write(SIGNATURE, self.key.sign(read_manifest(folder, manifest_sha256).content))


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose releases are taken up.

    Attributes:
        keys: public keys; none: releases need no signature.
    """

    keys: Sequence[Ed25519PublicKey] = ()

    def check(self, folder: Folder, manifest: bytes) -> bytes:
        """Check the signature of a manifest, and return it; empty if none is needed.

        Raises:
            InvalidRelease: there is none, or it is nobody's whom we trust.
            OSError: the store fails; a StoreError where it is ours.
        """
        if not self.keys:
            return b""
        signature = self._signature(folder)
        if not any(_is_by(key, signature, manifest) for key in self.keys):
            raise InvalidRelease(
                f"release {folder.location} is signed with none of the keys in REFRAIN_RELEASES_PUBLIC_KEYS; promote "
                "it where REFRAIN_RELEASES_SIGNING_KEY is set to one of them"
            )
        return signature

    def _signature(self, folder: Folder) -> bytes:
        try:
            return folder.read(SIGNATURE, _NUM_BYTES)
        except FileNotFoundError as exc:
            raise InvalidRelease(
                f"release {folder.location} is not signed; promote it where REFRAIN_RELEASES_SIGNING_KEY is set"
            ) from exc
        except FileTooLargeError as exc:
            raise InvalidRelease(f"{exc}; promote the release again") from exc


ANYONE: Final = Trust()


def read_signer(pem: str) -> Signer | None:
    """Read a private key from a PEM text; None if it is empty.

    Raises:
        SettingsError: it is no private key of ed25519, or has a password.
    """
    if not pem:
        return None
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError) as exc:  # the latter: it has a password
        raise SettingsError(f"REFRAIN_RELEASES_SIGNING_KEY is no PEM private key without a password; {_MAKE}") from exc
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"REFRAIN_RELEASES_SIGNING_KEY is of another kind than ed25519; {_MAKE}")
    return Signer(key)


def read_trust(path: str) -> Trust:
    """Read the public keys of a file, one PEM text after the other; anyone is trusted if there is no file.

    Raises:
        SettingsError: it holds no key, or something else.
    """
    if not path:
        return ANYONE
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        texts = Path(path).read_text().split(_END)[:-1]
        keys = [load_pem_public_key(f"{text}{_END}\n".encode()) for text in texts]
    except (OSError, ValueError) as exc:
        raise SettingsError(f"REFRAIN_RELEASES_PUBLIC_KEYS={path!r} holds a key that cannot be read: {exc}") from exc
    trusted = [key for key in keys if isinstance(key, Ed25519PublicKey)]
    if not trusted or len(trusted) < len(keys):
        raise SettingsError(
            f"REFRAIN_RELEASES_PUBLIC_KEYS={path!r} holds no PEM public key of ed25519, or others too; write it with "
            "`openssl pkey -pubout`"
        )
    return Trust(trusted)


def _is_by(key: Ed25519PublicKey, signature: bytes, content: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, content)
    except InvalidSignature:
        return False
    return True
