"""The command `releases`: its arguments, and how it runs them."""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Final, TypeVar

import click

from streamer.kafka.access import once_admitted
from streamer.kafka.connection import connection_of
from streamer.kafka.rights import Right, promoter_rights, release_reader_rights
from streamer.operations.shapes import ReleaseShown, ReleasesShown, to_json
from streamer.runtime.commands import Group, json_option, pass_settings
from streamer.sections import KAFKA

if TYPE_CHECKING:
    from streamer.releases.promotion import Promoter, Promotion
    from streamer.settings import Settings

_Result = TypeVar("_Result")

_READS: Final = (*KAFKA, "releases_topic", "releases_url")
_PROMOTES: Final = (*_READS, "releases_signing_key", "releases_public_keys")


@click.group(cls=Group)
def releases() -> None:
    """List and show releases, and choose the champion by hand."""


@releases.command("list", examples=["refrain releases list"], reads=_READS)
@json_option(ReleasesShown)
@pass_settings
def _list(settings: "Settings", *, as_json: bool) -> None:
    """List all releases, which one is champion, and the latest refusals."""
    from streamer.operations.release_listing import print_releases, releases_shown
    from streamer.releases.alias import find_champions

    champions = _run(settings, release_reader_rights, find_champions(connection_of(settings), settings.releases_topic))
    if as_json:
        sys.stdout.write(to_json(releases_shown(settings.releases_url, champions)))
    else:
        print_releases(settings.releases_url, champions)


@releases.command("show", examples=["refrain releases show 20260101T000000.000Z-0123abcd"], reads=["releases_url"])
@click.argument("release", metavar="ID")
@json_option(ReleaseShown)
@pass_settings
def _show(settings: "Settings", *, release: str, as_json: bool) -> None:
    """Print a release in full.

    ID is as printed by `list`.
    """
    from streamer.operations.release_listing import print_release, release_shown

    if as_json:
        sys.stdout.write(to_json(release_shown(settings.releases_url, release)))
    else:
        print_release(settings.releases_url, release)


@releases.command("promote", examples=["refrain releases promote 20260101T000000.000Z-0123abcd"], reads=_PROMOTES)
@click.argument("release", metavar="ID")
@click.option("--force", is_flag=True, help="even if the gate refused it, or never judged it")
@pass_settings
def _promote(settings: "Settings", *, release: str, force: bool) -> None:
    """Verify every byte of a release, then make it champion.

    ID is as printed by `list`.
    """
    promoter = _promoter(settings)
    promote = promoter.force if force else promoter.promote
    _print_promotion(_run(settings, promoter_rights, promote(release)))


@releases.command("rollback", examples=["refrain releases rollback"], reads=_PROMOTES)
@pass_settings
def _roll_back(settings: "Settings") -> None:
    """Restore the previous champion.

    Run it again to go further back. If the topic of releases no longer records the previous champion, the next older
    release that passed the gate takes its place. Each release is verified byte by byte first; missing or damaged ones
    are skipped. A running trainer continues: it may publish again as soon as new weights pass the gate against the
    restored champion. To keep an old release, stop the trainer.
    """
    _print_promotion(_run(settings, promoter_rights, _promoter(settings).roll_back()))


def _promoter(settings: "Settings") -> "Promoter":
    from streamer.releases.promotion import Promoter
    from streamer.releases.signing import read_signer, read_trust
    from streamer.releases.store import Store

    signer = read_signer(settings.releases_signing_key.get_secret_value())
    trust = read_trust(settings.releases_public_keys)
    return Promoter(connection_of(settings), settings.releases_topic, Store(settings.releases_url), signer, trust)


def _print_promotion(promotion: "Promotion") -> None:
    for skipped in promotion.skipped:
        sys.stdout.write(f"skipped {skipped}\n")
    release_id = promotion.release.release_id
    before = f", instead of {promotion.before}" if promotion.before not in {None, release_id} else ""
    sys.stdout.write(
        f"{release_id} is champion now{before}: every byte was verified, and workers load it within seconds.\n"
    )


def _run(
    settings: "Settings", rights: Callable[["Settings"], list[Right]], call: Coroutine[None, None, _Result]
) -> _Result:
    return asyncio.run(once_admitted(connection_of(settings), rights(settings), call))
