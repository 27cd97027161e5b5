"""The command `releases`: its arguments, and how it runs them."""

import argparse
import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Final, TypeVar

from streamer.kafka.access import once_admitted
from streamer.kafka.connection import connection_of
from streamer.kafka.rights import Right, promoter_rights, release_reader_rights
from streamer.runtime.commands import Commands
from streamer.settings import Settings

if TYPE_CHECKING:
    from streamer.releases.promotion import Promoter, Promotion

_Result = TypeVar("_Result")

_ROLLBACK: Final = """
Restore the previous champion; run it again to go further back. If the topic of releases no longer records the previous
champion, the next older release that passed the gate takes its place. Each release is verified byte by byte first;
missing or damaged ones are skipped. A running trainer continues: it may publish again as soon as new weights pass the
gate against the restored champion. To keep an old release, stop the trainer.
"""


def add_releases(commands: Commands) -> None:
    """Add `releases list`, `show`, `promote` and `rollback`."""
    parser = commands.add_parser("releases", help="list and show releases, and choose the champion by hand")
    actions = parser.add_subparsers(required=True)
    listing = actions.add_parser("list", help="list all releases, which one is champion, and the latest refusals")
    listing.set_defaults(run=_list)
    showing = actions.add_parser("show", help="print a release in full")
    showing.add_argument("release", metavar="ID", help="as printed by `list`")
    showing.set_defaults(run=_show)
    promoting = actions.add_parser("promote", help="verify every byte of a release, then make it champion")
    promoting.add_argument("release", metavar="ID", help="as printed by `list`")
    promoting.add_argument("--force", action="store_true", help="even if the gate refused it, or never judged it")
    promoting.set_defaults(run=_promote)
    back = actions.add_parser("rollback", help="restore the previous champion", description=_ROLLBACK)
    back.set_defaults(run=_roll_back)


def _list(settings: Settings, _: argparse.Namespace) -> None:
    from streamer.operations.release_listing import print_releases
    from streamer.releases.alias import find_champions

    champions = _run(settings, release_reader_rights, find_champions(connection_of(settings), settings.releases_topic))
    print_releases(settings.releases_url, champions)


def _show(settings: Settings, arguments: argparse.Namespace) -> None:
    from streamer.operations.release_listing import print_release

    print_release(settings.releases_url, arguments.release)


def _promote(settings: Settings, arguments: argparse.Namespace) -> None:
    promoter = _promoter(settings)
    promote = promoter.force if arguments.force else promoter.promote
    _print_promotion(_run(settings, promoter_rights, promote(arguments.release)))


def _roll_back(settings: Settings, _: argparse.Namespace) -> None:
    _print_promotion(_run(settings, promoter_rights, _promoter(settings).roll_back()))


def _promoter(settings: Settings) -> "Promoter":
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
    settings: Settings, rights: Callable[[Settings], list[Right]], call: Coroutine[None, None, _Result]
) -> _Result:
    return asyncio.run(once_admitted(connection_of(settings), rights(settings), call))
