"""Signatures of manifests: who may say which weights workers take up."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from models.release import SavedRelease
from models.release_files import InvalidRelease
from streamer.errors import SettingsError
from streamer.releases.loading import load_notice, notice_of
from streamer.releases.signing import SIGNATURE, read_signer, read_trust
from streamer.releases.store import Store
from tests.builders import save_tiny_release
from tests.cases.observations import Observe

PEM, PKCS8, SPKI = Encoding.PEM, PrivateFormat.PKCS8, PublicFormat.SubjectPublicKeyInfo


def private(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(PEM, PKCS8, NoEncryption()).decode()


def public(*keys: Ed25519PrivateKey) -> bytes:
    return b"".join(key.public_key().public_bytes(PEM, SPKI) for key in keys)


@pytest.fixture
def keys() -> list[Ed25519PrivateKey]:
    return [Ed25519PrivateKey.generate() for _ in range(3)]


@pytest.fixture
def saved(tmp_path: Path) -> SavedRelease:
    return save_tiny_release(tmp_path / "releases")


def sign(saved: SavedRelease, key: Ed25519PrivateKey) -> None:
    signer = read_signer(private(key))
    assert signer is not None
    signer.sign(Store(saved.location), saved.manifest_sha256)


def load(saved: SavedRelease, keys: Path) -> str:
    store = Store(saved.location.rpartition("/")[0])
    return load_notice(notice_of(saved), store, trust=read_trust(str(keys))).release_id


@pytest.mark.kind(10)
def test_only_a_release_that_a_known_key_signed_is_taken_up(
    saved: SavedRelease, keys: list[Ed25519PrivateKey], tmp_path: Path, observe: Observe
) -> None:
    ours, former, stranger = keys
    (tmp_path / "keys.pem").write_bytes(b"# ours\n" + public(ours, former))

    with pytest.raises(InvalidRelease, match="is not signed; promote it where REFRAIN_RELEASES_SIGNING_KEY is set"):
        load(saved, tmp_path / "keys.pem")
    sign(saved, stranger)
    with pytest.raises(InvalidRelease, match="is signed with none of the keys in REFRAIN_RELEASES_PUBLIC_KEYS"):
        load(saved, tmp_path / "keys.pem")
    for key in (ours, former):
        sign(saved, key)
        assert load(saved, tmp_path / "keys.pem") == saved.release_id
    observe("unsigned, and signed by a stranger: refused with a remedy; signed by either of two known keys: taken up")


@pytest.mark.parametrize("signature", [b"", b"\0" * 64, b"x" * 63, b"x" * 65], ids=["none", "zeros", "short", "long"])
def test_a_signature_that_is_none_is_refused(
    saved: SavedRelease, keys: list[Ed25519PrivateKey], tmp_path: Path, signature: bytes
) -> None:
    (tmp_path / "keys.pem").write_bytes(public(keys[0]))
    Path(saved.location, SIGNATURE).write_bytes(signature)

    with pytest.raises(InvalidRelease):
        load(saved, tmp_path / "keys.pem")


@pytest.mark.kind(10)
def test_a_signature_holds_for_one_manifest(
    saved: SavedRelease, keys: list[Ed25519PrivateKey], tmp_path: Path, observe: Observe
) -> None:
    (tmp_path / "keys.pem").write_bytes(public(keys[0]))
    sign(saved, keys[0])
    other = save_tiny_release(tmp_path / "releases", seed=8)
    shutil.copy(Path(saved.location, SIGNATURE), Path(other.location, SIGNATURE))

    with pytest.raises(InvalidRelease, match="is signed with none of the keys"):
        load(other, tmp_path / "keys.pem")
    with pytest.raises(InvalidRelease, match=r"manifest\.json has sha256"):
        sign(saved._replace(manifest_sha256="0" * 64), keys[0])
    observe("a signature copied to another release is refused")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
def test_openssl_makes_the_keys_and_checks_the_signature(saved: SavedRelease, tmp_path: Path) -> None:
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, cwd=tmp_path, capture_output=True)

    openssl("genpkey", "-algorithm", "ed25519", "-out", "key.pem")
    openssl("pkey", "-in", "key.pem", "-pubout", "-out", "keys.pem")
    signer = read_signer((tmp_path / "key.pem").read_text())
    assert signer is not None
    signer.sign(Store(saved.location), saved.manifest_sha256)

    assert load(saved, tmp_path / "keys.pem") == saved.release_id
    openssl("pkeyutl", "-verify", "-pubin", "-inkey", "keys.pem", "-rawin",
            "-in", f"{saved.location}/manifest.json", "-sigfile", f"{saved.location}/{SIGNATURE}")  # fmt: skip


def test_keys_that_are_none_are_wrong_settings(tmp_path: Path, keys: list[Ed25519PrivateKey]) -> None:
    other_kind = generate_private_key(SECP256R1())
    for pem in ("nothing", other_kind.private_bytes(PEM, PKCS8, NoEncryption()).decode()):
        with pytest.raises(SettingsError, match=r"REFRAIN_RELEASES_SIGNING_KEY is .*openssl genpkey"):
            read_signer(pem)
    other_public = other_kind.public_key().public_bytes(PEM, SPKI)
    for content in (b"", b"nothing", private(keys[0]).encode(), other_public, public(keys[0]) + other_public):
        (tmp_path / "keys.pem").write_bytes(content)
        with pytest.raises(SettingsError, match="REFRAIN_RELEASES_PUBLIC_KEYS="):
            read_trust(str(tmp_path / "keys.pem"))


def test_without_keys_nothing_is_signed_and_anyone_is_trusted(saved: SavedRelease) -> None:
    assert read_signer("") is None
    assert load_notice(notice_of(saved), Store(saved.location.rpartition("/")[0]), trust=read_trust("")).release_id
