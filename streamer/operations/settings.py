"""The command `settings`."""

import sys

import click

from streamer.operations.shapes import SettingsShown, to_json
from streamer.runtime.commands import Command, Surroundings, json_option
from streamer.sections import SECTIONS


@click.command(
    cls=Command,
    examples=["refrain settings", "refrain settings --json | jq '.settings[] | select(.source != \"default\")'"],
    reads=[field for section in SECTIONS.values() for field in section],
)
@json_option(SettingsShown)
@click.pass_obj
def settings(surroundings: Surroundings, *, as_json: bool) -> None:
    """Show every setting: its unit, default, value, where that is from, and the reason.

    Secrets are masked. Settings that are wrong or unknown are said instead, all at once, with status 2.
    """
    from streamer.operations.setting_listing import list_settings, to_text

    listed = list_settings(surroundings.read_settings(), surroundings.environment)
    sys.stdout.write(to_json(SettingsShown(tuple(listed))) if as_json else to_text(listed))
