"""A store that fails in many ways: each becomes one error in one line, within the time allowed."""

import time
from pathlib import Path

import fsspec
import pytest

from models.release_files import InvalidRelease
from streamer.addresses import mask
from streamer.errors import ReleaseError, SettingsError, StoreError
from streamer.releases.loading import load_notice, notice_of
from streamer.releases.registry import Registry
from streamer.releases.store import MAX_HANGING, Store, check_driver
from tests.builders import save_tiny_release
from tests.cases.observations import Observe
from tests.failing_store import ERRORS, FAILURES, FailingFileSystem, FailingStore


@pytest.fixture
def failing(tmp_path: Path) -> FailingStore:
    fsspec.register_implementation("failing", FailingFileSystem, clobber=True)
    return FailingStore(tmp_path / "releases")


@pytest.mark.kind(9)
@pytest.mark.parametrize("failure", FAILURES)
def test_whatever_a_store_does_becomes_one_error_that_says_what_and_where(
    failing: FailingStore, failure: str, observe: Observe
) -> None:
    saved = save_tiny_release(failing.directory)
    store = Store(failing.url, limit_s=0.1)
    failing.fail(failure)

    with pytest.raises((ReleaseError, InvalidRelease)) as raised:
        load_notice(notice_of(saved), store)
    failing.mend()

    message, kind = str(raised.value), type(raised.value).__name__
    assert f"failing://{failing.directory}/{saved.release_id}" in message
    assert "\n" not in message
    assert "secret" not in message
    assert isinstance(raised.value, StoreError) == (failure in ERRORS or failure == "hangs")
    assert load_notice(notice_of(saved), store).release_id == saved.release_id
    observe(f"a store that fails with {failure}: {kind} in one line, and the release loads once the store is well")


@pytest.mark.kind(9)
@pytest.mark.parametrize("failure", [*ERRORS, "hangs"])
def test_every_call_of_a_registry_fails_alike(failing: FailingStore, failure: str, observe: Observe) -> None:
    saved = save_tiny_release(failing.directory)
    registry = Registry(Store(failing.url, limit_s=0.05))
    failing.fail(failure)

    for call in (registry.ids, lambda: registry.look_at(saved.release_id), registry.refusals):
        with pytest.raises(StoreError, match=r"^cannot .* at failing://.*; "):
            call()
    failing.mend()
    observe(f"`refrain releases list` on a store that fails with {failure} says so in one line")


@pytest.mark.kind(9)
def test_calls_that_hang_are_left_behind_and_bounded_and_the_store_recovers(
    failing: FailingStore, observe: Observe
) -> None:
    saved = save_tiny_release(failing.directory)
    store = Store(failing.url, limit_s=0.02)
    failing.fail("hangs")

    started_s = time.monotonic()
    for _ in range(MAX_HANGING):
        with pytest.raises(StoreError, match="no answer within 0 s"):
            store.names()
    with pytest.raises(StoreError, match=f"{MAX_HANGING} earlier calls still hang"):
        store.names()
    assert time.monotonic() - started_s < 5

    failing.mend()
    deadline_s = time.monotonic() + 20
    while store._slots._value < MAX_HANGING and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert saved.release_id in store.names()
    observe(
        "calls that hang are left behind, a bounded number of them, and free their places when the store answers again"
    )


@pytest.mark.kind(10)
@pytest.mark.parametrize("what", ["directory", "file"])
def test_a_link_that_leads_out_of_a_local_store_is_not_followed(tmp_path: Path, what: str, observe: Observe) -> None:
    saved = save_tiny_release(tmp_path / "elsewhere")
    store = tmp_path / "releases"
    folder = store / saved.release_id
    if what == "directory":
        store.mkdir()
        folder.symlink_to(saved.location)
    else:
        save_tiny_release(store)
        (folder / "weights.safetensors").unlink()
        (folder / "weights.safetensors").symlink_to(Path(saved.location, "weights.safetensors"))

    with pytest.raises(InvalidRelease, match="is a link that leads out of"):
        load_notice(notice_of(saved), Store(str(store)))

    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere")
    assert load_notice(notice_of(saved), Store(str(tmp_path / "linked"))).release_id == saved.release_id
    observe(f"a {what} of a release that is a link out of the store is refused; the store itself may be a link")


@pytest.mark.kind(9)
def test_a_store_that_is_not_there_is_out_of_reach_and_not_empty(tmp_path: Path, observe: Observe) -> None:
    saved = save_tiny_release(tmp_path / "releases")
    (tmp_path / "releases").rename(tmp_path / "unmounted")

    with pytest.raises(StoreError, match="FileNotFoundError"):
        load_notice(notice_of(saved), Store(str(tmp_path / "releases")))
    observe("a disk that is not mounted is a store out of reach: a trainer waits instead of judging without a champion")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("ftp://me:pass@host/x", "ftp://***@host/x"),
        ("s3://key:sec@ret@bucket/x", "s3://***@bucket/x"),
        ("get https://h/x?X-Amz-Signature=abc failed", "get https://h/x?*** failed"),
        ("file:///a@b/c", "file:///a@b/c"),
    ],
)
def test_what_could_be_a_password_is_hidden(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("url", ["floppy://a", "floppy::file:///a"])
def test_a_url_without_a_driver_is_a_wrong_setting(url: str) -> None:
    with pytest.raises(SettingsError, match=f"REFRAIN_RELEASES_URL='{url}' cannot be used"):
        check_driver(url)
    check_driver("releases")
    check_driver("memory://releases")
