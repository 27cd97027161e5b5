"""The command `releases`: its arguments, and what is made of them."""

import argparse
import asyncio
import sys
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Final, TypeVar

from streamer.errors import ReleaseError
from streamer.settings import Settings

if TYPE_CHECKING:
    from streamer.releases.promotion import Promoter, Promotion

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  argparse has no other name for it

_Answer = TypeVar("_Answer")

_ROLLBACK: Final = """
Make the older release champion that was champion before this one; called again, it goes further back. Where the topic
of releases has forgotten which that was, it is the next older one there is. Each is verified first, byte by byte; one
that is gone or damaged is passed over. A trainer that runs goes on: it may release again as soon as something passes
the gate against the champion of then. To keep an old release, stop the trainer.
"""


def add_releases(commands: "Commands") -> None:
    """Add `releases list`, `show`, `promote` and `rollback`."""
    parser = commands.add_parser("releases", help="list and show releases, and choose the champion by hand")
    actions = parser.add_subparsers(required=True)
    listing = actions.add_parser("list", help="what there is, which is champion, and what was refused lately")
    listing.set_defaults(run=_list)
    showing = actions.add_parser("show", help="all that is known of a release")
    showing.add_argument("release", metavar="ID", help="as `list` names it")
    showing.set_defaults(run=_show)
    promoting = actions.add_parser("promote", help="make a release champion, once every byte of it is verified")
    promoting.add_argument("release", metavar="ID", help="as `list` names it")
    promoting.set_defaults(run=_promote)
    back = actions.add_parser("rollback", help="make the release champion that was before", description=_ROLLBACK)
    back.set_defaults(run=_roll_back)


def _list(settings: Settings, _: argparse.Namespace) -> None:
    from streamer.operations.release_listing import print_releases
    from streamer.releases.alias import find_champions

    champions = _wait_for(find_champions(settings.kafka_bootstrap_servers, settings.releases_topic))
    print_releases(settings.releases_url, champions)


def _show(settings: Settings, arguments: argparse.Namespace) -> None:
    from streamer.operations.release_listing import print_release

    print_release(settings.releases_url, arguments.release)


def _promote(settings: Settings, arguments: argparse.Namespace) -> None:
    _print_promotion(_wait_for(_promoter(settings).promote(arguments.release)))


def _roll_back(settings: Settings, _: argparse.Namespace) -> None:
    _print_promotion(_wait_for(_promoter(settings).roll_back()))


def _promoter(settings: Settings) -> "Promoter":
    from streamer.releases.promotion import Promoter

    return Promoter(settings.kafka_bootstrap_servers, settings.releases_topic, settings.releases_url)


def _print_promotion(promotion: "Promotion") -> None:
    for skipped in promotion.skipped:
        sys.stdout.write(f"skipped {skipped}\n")
    release_id = promotion.release.release_id
    before = f", instead of {promotion.before}" if promotion.before not in {None, release_id} else ""
    sys.stdout.write(
        f"{release_id} is champion now{before}: every byte is verified, and workers take it up within seconds.\n"
    )


def _wait_for(answer: Coroutine[None, None, _Answer]) -> _Answer:
    try:
        return asyncio.run(answer)
    except OSError as exc:
        raise ReleaseError(f"{exc}; see that REFRAIN_RELEASES_URL can be reached, then call again") from exc
