"""The page of a day, one self-contained file."""

from collections.abc import Mapping
from html import escape
from typing import Any, Final

from streamer.report.charts import Annotation, Series, Shade, line_chart
from streamer.report.page import table
from streamer.report.page_style import STYLE

Figures = Mapping[str, Any]

_NAMES: Final = {
    "live": "the answers given",
    "first": "the first release, never replaced",
    "second": "the second release, never replaced",
}
_COLOURS: Final = {"live": 0, "first": 5, "second": 2}
_TICK_DAYS: Final = 5


def draw_page(figures: Figures) -> str:
    """Write the page.

    Args:
        figures: as `describe` makes them.
    """
    sections = {
        "Hit rate over time": _over_time(figures),
        "Before and after each release": _releases(figures),
        "What became of the bots": _bots(figures),
        "What the gate said": _verdicts(figures),
    }
    body = "".join(f"<section><h2>{title}</h2>{text}</section>" for title, text in sections.items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>A day in the life of Refrain</title><style>{STYLE}</style>"
        f"<header><h1>A day in the life of Refrain</h1>{_headline(figures)}</header><main>{body}</main></html>\n"
    )


def _headline(figures: Figures) -> str:
    balance, live = figures["balance"], figures["lines"]["live"]
    cards = [
        (f"{figures['days']:.0f} days", f"of simulated listening, sent in {figures['sending_s'] / 60:.0f} minutes"),
        (f"{len(figures['releases'])}", "releases, none of them made by hand"),
        (f"{100 * live[-1]['rate']['mean']:.0f} %", "of next plays are in the list of 20 at the end"),
        (f"{balance['plays']:,}", f"plays, of which {balance['lost']} were lost and {balance['twice']} counted twice"),
    ]
    return f'<div class="cards">{"".join(f"<p><b>{figure}</b>{text}</p>" for figure, text in cards)}</div>'


def _over_time(figures: Figures) -> str:
    bots, lead = figures["bots"], figures["lead_of_last_days"]
    series = [
        Series(
            _NAMES[name],
            _COLOURS[name],
            [each["day"] for each in bins],
            [each["rate"]["mean"] for each in bins],
            [(each["rate"]["low"], each["rate"]["high"]) for each in bins],
        )
        for name, bins in figures["lines"].items()
    ]
    marks = [
        Annotation(each["day"], str(number), each["release"]) for number, each in enumerate(figures["releases"], 1)
    ]
    chart = line_chart(
        series,
        x_label="days of the listeners' time",
        y_label="hit rate",
        ticks=[(float(day), str(day)) for day in range(0, int(figures["days"]) + 1, _TICK_DAYS)],
        marks=marks,
        shades=[Shade(bots["from_day"], bots["until_day"], "bots play")],
    )
    leads = " and ".join(
        f"{lead[name]['mean']:.3f} ({lead[name]['low']:.3f} to {lead[name]['high']:.3f}) ahead of the {name}"
        for name in ("first", "second")
        if name in lead
    )
    return (
        f"<p>{figures['listeners']} simulated listeners play {figures['tracks']:,} tracks; "
        f"{100 * figures['debut_share']:.0f} % of the albums come out after the first week. The trainer is unattended: "
        "it fits after enough plays, after enough time or when the hit rate falls, and its gate decides. The <b>hit "
        "rate</b> is the share of plays that were among the 20 tracks of the listener's previous answer, as read from "
        f"the topic of recommendations, one point every {figures['bin_days']} days; the bands are 95 % intervals over "
        "listeners. Dashed lines mark the first answer of each release; bots play in the shaded stretch.</p>"
        f"{chart}<p>The other lines answer a third of these plays with the first two releases, had none followed. "
        f"Over the last {lead['days']} days, the answers given are {leads}. A first release has no second stage; the "
        "lead over the second release is the cost of age.</p>"
    )


def _releases(figures: Figures) -> str:
    head = ["", "day", "trigger", "fitted on", "before", "after", "difference", "against the previous release"]
    rows = []
    for number, each in enumerate(figures["releases"], 1):
        change = each["change"]
        figures_of_change = (
            [_estimate(change[name], ".3f") for name in ("before", "after")]
            + [_estimate(change[name], "+.3f") for name in ("difference", "against_the_former")]
            if change
            else [""] * 4
        )
        rows.append(
            [str(number), f"{each['day']:.1f}", escape(each["trigger"]), f"{each['fitted_on']:,}", *figures_of_change]
        )
    return (
        "<p>The live hit rate over the last plays before a release (5,000 at most) and the first ones after it. These "
        "are different plays, so the difference includes drift and chance. The last column compares with what the "
        "previous release would have reached on the very same plays.</p>" + table(head, rows)
    )


def _bots(figures: Figures) -> str:
    bots = figures["bots"]
    known = bots["releases_that_know_their_tracks"]
    return (
        f"<p>From day {bots['from_day']:.1f} to day {bots['until_day']:.1f}, {bots['accounts']} accounts play "
        f"{bots['lists']} lists over and over: {bots['plays']:,} plays, {100 * bots['share']:.0f} % of all in that "
        "time, of tracks that no listener plays. A release that had been fitted on even one of them would know its "
        f"track. Releases that do: {', '.join(map(escape, known)) or 'none'}.</p>"
    )


def _verdicts(figures: Figures) -> str:
    verdicts = [
        (each["published_day"], f"Release {number}, {each['release']}", each["verdict"])
        for number, each in enumerate(figures["releases"], 1)
    ] + [(each["day"], f"Refused; trigger: {each['trigger']}", each["verdict"]) for each in figures["refusals"]]
    items = "".join(
        f"<dt>Day {day:.1f}: {escape(title)}</dt><dd>{escape(text)}</dd>" for day, title, text in sorted(verdicts)
    )
    return f"<dl>{items}</dl>"


def _estimate(estimate: Mapping[str, float], layout: str) -> str:
    return f"{estimate['mean']:{layout}} <small>{estimate['low']:{layout}} to {estimate['high']:{layout}}</small>"
