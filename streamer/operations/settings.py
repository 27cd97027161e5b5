"""The command `settings`."""

import sys

import click

from streamer.runtime.commands import Command, Surroundings, json_option
from streamer.sections import SECTIONS


@click.command(
    cls=Command,
    examples=["refrain settings", "refrain settings --json | jq '.settings[] | select(.source != \"default\")'"],
    reads=[field for section in SECTIONS.values() for field in section],
)
@json_option
@click.pass_obj
def settings(surroundings: Surroundings, *, as_json: bool) -> None:
    """Show every setting: its unit, default, value, where that is from, and the reason.

    Secrets are masked. Settings that are wrong or unknown are said instead, all at once, with status 2.
    """
    from streamer.operations.setting_listing import list_settings, to_json, to_text

    listed = list_settings(surroundings.read_settings(), surroundings.environment)
    sys.stdout.write(to_json(listed) if as_json else to_text(listed))
