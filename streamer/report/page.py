"""The page: a report for readers who read no code, in one self-contained file."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from html import escape
from typing import Final

from models.analysis.taste_map import TasteMap
from streamer.report.charts import Series, interval_chart, line_chart, plane
from streamer.report.figures import Figures
from streamer.report.page_style import STYLE
from streamer.report.systems import OURS

Systems = Mapping[str, Figures]

_METRICS: Final = {"hr_at_20": "hit rate", "mrr_at_20": "reciprocal rank", "lt_recall_at_100": "long-term recall"}
_DRAWN: Final = ("refrain_served", "refrain_network", "gru4rec", "vstan", "sequential_rules")
_BROKEN_DOWN: Final = {
    "history_length": ("plays the listener has made so far", "Little is known of a listener with few plays."),
    "gap": (
        "time between the last play and the one to predict",
        "Within a session, the last tracks say a lot; after a night, they say little.",
    ),
    "popularity_decile": (
        "popularity of the track: 1 is the most played tenth of the catalogue",
        "Popular tracks are easy to predict. A good system also finds the others.",
    ),
}
_GROUPS: Final = {
    "repeat": "heard before",
    "discovery": "never heard before",
    "in_session": "inside a session",
    "session_start": "first of a session",
}
_OTHER_COLOUR: Final = 5
_FEWEST_ASKED: Final = 30  # questions: a hit rate over fewer is chance


def draw_page(dataset: str, systems: Systems, drawn: TasteMap | None) -> str:
    """Write the page.

    Args:
        dataset: its name.
        systems: the figures of each.
        drawn: the map of a network's taste; None if no network was fitted.
    """
    sections: dict[str, tuple[str, Callable[[], str]]] = {
        "measured": ("What is measured", lambda: _measured(systems)),
        "results": ("Which system predicts best", lambda: _results(systems)),
        "ahead": ("How certain the lead is", lambda: _ahead(systems)),
        "groups": ("Old favourites and discoveries", lambda: _groups(systems)),
        "where": ("Where the hits come from", lambda: _broken_down(systems)),
        "swap": ("What new weights cost", lambda: _swap(systems)),
        "tastes": ("A map of taste", lambda: _tastes(drawn)),
        "learning": ("How training went", lambda: _learning(systems)),
        "calibration": ("Does it know what it does not know?", lambda: _calibration(systems)),
        "fitted": ("The systems, and how each was fitted", lambda: _fitted(systems)),
    }
    body = "".join(
        f'<section id="{name}"><h2>{title}</h2>{write()}</section>' for name, (title, write) in sections.items()
    )
    links = "".join(f'<a href="#{name}">{title}</a>' for name, (title, _) in sections.items())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Refrain on {escape(dataset)}</title><style>{STYLE}</style>"
        f"<header><h1>Refrain on {escape(dataset)}</h1>{_headline(systems)}<nav>{links}</nav></header>"
        f"<main>{body}</main></html>\n"
    )


def _ours(systems: Systems) -> str:
    return next((name for name in OURS if name in systems), next(iter(systems)))


def _colour(name: str) -> int:
    return _DRAWN.index(name) if name in _DRAWN else _OTHER_COLOUR


def _headline(systems: Systems) -> str:
    ours = systems[_ours(systems)]
    cards = [
        (f"{100 * ours['hr_at_20']:.0f} %", "of next plays are in a list of 20"),
        (f"{100 * ours['mrr_at_20']:.0f} %", "mean reciprocal rank: 100 % would mean always in first place"),
    ]
    if "lt_recall_at_100" in ours:
        cards.append((f"{100 * ours['lt_recall_at_100']:.0f} %", "of the coming weeks' tracks are in a list of 100"))
    cards.append((f"{100 * ours['coverage_at_20']:.0f} %", "of the catalogue is recommended to someone"))
    return f'<div class="cards">{"".join(f"<p><b>{figure}</b>{text}</p>" for figure, text in cards)}</div>'


def _measured(systems: Systems) -> str:
    split = next(iter(systems.values()))["splits"]
    t1, t2 = (f"{datetime.fromtimestamp(split[name] / 1000, UTC):%d %B %Y}" for name in ("t1_ms", "t2_ms"))
    every = split["short_term_every"]
    which = "Each" if every == 1 else f"Every {every}th"
    return (
        f"<p>The dataset has {split['num_plays']:,} plays of {split['num_tracks']:,} tracks by "
        f"{split['num_listeners']:,} listeners. Every system learned from the {split['num_training_plays']:,} plays "
        f"before {t1}. Every choice was made on the plays between then and {t2}. The figures describe the plays after "
        f"{t2}, which no system learned from and no choice was made on.</p>"
        f"<p>{which} of those plays is hidden in turn, and each system is asked what comes next: "
        f"{split['short_term_anchors']:,} questions about {split['test_listeners']:,} listeners. It may name 20 of all "
        f"{split['num_tracks']:,} tracks. The <b>hit rate</b> (HR@20) is the share of hidden plays among them. The "
        "<b>reciprocal rank</b> (MRR@20) also counts the place: 1 for the first, a half for the second, a third for "
        "the third. The <b>long-term recall</b> (recall@100) looks further ahead: it is the share of the tracks a "
        "listener plays over the coming weeks that are in a list of 100.</p>"
        "<p>The thin lines are 95 % intervals: with other listeners of the same kind, the figure would lie within them "
        "19 times out of 20. Systems that involve chance were fitted with the seeds named below; their figures are "
        f"means over seeds. {100 * split['cold_test_share']:.1f} % of the later plays are of tracks that nobody had "
        "played before, and are not asked about.</p>"
    )


def _results(systems: Systems) -> str:
    charts = []
    for metric, title in _METRICS.items():
        rows = [
            (figures["title"], _colour(name), figures[metric], *figures["intervals"][metric])
            for name, figures in systems.items()
            if metric in figures
        ]
        if rows:
            charts.append(f"<h3>{title.capitalize()}</h3>{interval_chart(rows)}")
    columns = [*_METRICS, "ndcg_at_10", "coverage_at_20"]
    head = ["hit rate", "reciprocal rank", "long-term recall", "nDCG@10", "coverage"]
    rows_of_table = [
        [figures["title"], *(_with_interval(figures, metric) for metric in columns)] for figures in systems.values()
    ]
    return "".join(charts) + table(["", *head], rows_of_table)


def _with_interval(figures: Figures, metric: str) -> str:
    if metric not in figures:
        return ""
    interval = figures["intervals"].get(metric)
    text = f"{figures[metric]:.3f}"
    return text if interval is None else f"{text} <small>{interval[0]:.3f} to {interval[1]:.3f}</small>"


def _ahead(systems: Systems) -> str:
    name = _ours(systems)
    ahead = systems[name]["ahead_of"]
    charts = [
        f"<h3>{title.capitalize()}</h3>"
        + interval_chart(
            [
                (
                    systems[other]["title"],
                    _colour(other),
                    each[metric]["mean"],
                    each[metric]["low"],
                    each[metric]["high"],
                )
                for other, each in ahead.items()
                if metric in each
            ],
            zero=True,
        )
        for metric, title in _METRICS.items()
        if any(metric in each for each in ahead.values())
    ]
    return (
        f"<p>The lead of “{escape(systems[name]['title'])}” over each other system, question by question. If the whole "
        "line is to the right of zero, the lead does not depend on which listeners happened to be asked.</p>"
        + "".join(charts)
    )


def _groups(systems: Systems) -> str:
    rows = [
        [figures["title"]]
        + [
            f"{group['hr_at_20']['mean']:.3f}" if (group := figures["groups"].get(name)) and "hr_at_20" in group else ""
            for name in _GROUPS
        ]
        + [
            f"{group['lt_recall_at_100']['mean']:.3f}"
            if (group := figures["groups"].get(name)) and "lt_recall_at_100" in group
            else ""
            for name in ("repeat", "discovery")
        ]
        for figures in systems.values()
    ]
    head = ["", *_GROUPS.values(), "long-term: heard before", "long-term: never heard before"]
    return (
        "<p>Repeating what a listener loves is easy, finding what they will love is not, and the first play of a "
        "session is the hardest to predict. The hit rate for each kind of play, and the long-term recall for two.</p>"
        + table(head, rows)
    )


def _broken_down(systems: Systems) -> str:
    return "".join(
        f"<h3>By {label.split(':')[0]}</h3><p>{sentence}</p>{_broken_down_by(systems, by, label)}"
        for by, (label, sentence) in _BROKEN_DOWN.items()
    )


def _broken_down_by(systems: Systems, by: str, label: str) -> str:
    drawn = {name: figures for name, figures in systems.items() if name in _DRAWN}
    bins = {
        name: [each for each in figures["broken_down"][by] if each["num_anchors"] >= _FEWEST_ASKED]
        for name, figures in drawn.items()
    }
    ticks = [(float(place), each["label"]) for place, each in enumerate(next(iter(bins.values()), []))]  # all alike
    if len(ticks) < 2:
        return "<p>Too few of these plays differ in it.</p>"
    series = [
        Series(
            drawn[name]["title"],
            _colour(name),
            range(len(of_system)),
            [each["hit_rate"]["mean"] for each in of_system],
            [(each["hit_rate"]["low"], each["hit_rate"]["high"]) for each in of_system],
        )
        for name, of_system in bins.items()
    ]
    return line_chart(series, x_label=label, y_label="hit rate", ticks=ticks)


def _swap(systems: Systems) -> str:
    ahead = systems.get("refrain_network", {}).get("ahead_of", {}).get("refrain_rebuilt")
    if ahead is None:
        return "<p>Not measured.</p>"
    rows = [
        [title, f"{each['mean']:+.4f} <small>{each['low']:+.4f} to {each['high']:+.4f}</small>"]
        for metric, title in _METRICS.items()
        if (each := ahead.get(metric)) is not None
    ]
    return (
        "<p>A state belongs to the weights that produced it. When a worker takes up new weights, it rebuilds every "
        "listener's state from the last 64 plays it remembers, and forgets older ones. Until new plays make up for it, "
        "this costs the difference between the network with rebuilt states and the same network with whole "
        "histories; the table shows whole histories minus rebuilt states.</p>" + table(["", "difference"], rows)
    )


def _tastes(drawn: TasteMap | None) -> str:
    if drawn is None:
        return "<p>No network was fitted.</p>"
    tracks: list[tuple[float, float]] = [(float(x), float(y)) for x, y in drawn.tracks]
    paths = [[(float(x), float(y)) for x, y in path] for path in drawn.paths]
    return (
        f"<p>Each grey dot is one of the {len(tracks)} most played tracks; larger dots were played more. Tracks played "
        "together lie close together: the network was given nothing about artists or genres, it learned them from "
        "plays. Each coloured line shows how one listener's taste moved across this map, from their first play "
        "(faint) to their last (strong). The map names no listener and no track.</p>"
        f'<div class="plane">{plane(tracks, [float(share) for share in drawn.shares], paths)}</div>'
    )


def _learning(systems: Systems) -> str:
    charts = []
    for figures in systems.values():
        if not figures["losses"]:
            continue
        num_epochs = max(map(len, figures["losses"]))
        ticks = [(float(epoch), str(epoch)) for epoch in range(1, num_epochs + 1)]
        series = [
            Series(f"seed {seed}", number % 5, range(1, len(losses) + 1), losses)
            for number, (seed, losses) in enumerate(zip(figures["seeds"], figures["losses"], strict=True))
        ]
        charts.append(
            f"<h3>{escape(figures['title'])}</h3>"
            + line_chart(series, x_label="pass over the plays", y_label="loss", ticks=ticks)
        )
    speeds = [[each["title"], f"{each['plays_per_s']:,.0f}"] for each in systems.values() if each["plays_per_s"]]
    return (
        "<p>The loss says how much the plays that a system learns from still surprise it. It falls with every pass. "
        "Losses of different systems cannot be compared.</p>"
        + "".join(charts)
        + "<h3>Speed</h3>"
        + table(["", "plays learned per second of CPU time"], speeds)
    )


def _calibration(systems: Systems) -> str:
    bins: Sequence[Figures] = systems.get("refrain_network", {}).get("calibration", [])
    if not bins:
        return "<p>No network was fitted.</p>"
    series = Series(
        "Refrain, the network alone",
        _colour("refrain_network"),
        [each["probability"] for each in bins],
        [each["hit_rate"]["mean"] for each in bins],
        [(each["hit_rate"]["low"], each["hit_rate"]["high"]) for each in bins],
    )
    ticks = [(step / 5, f"{step / 5:.1f}") for step in range(6)]
    chart = line_chart(
        [series],
        x_label="probability the network gave that the list contains the next play",
        y_label="share of lists that did",
        ticks=ticks,
        has_diagonal=True,
    )
    return (
        "<p>With every list, the network states the probability that the next play is on it. If it says 70 % a hundred "
        "times, about 70 of those lists should contain the next play. On the dashed line its estimate would be exactly "
        f"right; below the line it is overconfident, above it too cautious.</p>{chart}"
    )


def _fitted(systems: Systems) -> str:
    items = "".join(
        f"<dt>{escape(figures['title'])}</dt><dd>{escape(figures['about'].capitalize())}. {_seeds(figures)}"
        f"<details><summary>settings</summary><code>{escape(_settings(figures))}</code></details></dd>"
        for figures in systems.values()
    )
    return f"<dl>{items}</dl>"


def _seeds(figures: Figures) -> str:
    if not figures["seeds"]:
        return "It is deterministic: it only counts. Its settings were chosen on the validation plays."
    return f"Fitted with seed{'s' * (len(figures['seeds']) > 1)} {', '.join(map(str, figures['seeds']))}."


def _settings(figures: Figures) -> str:
    return ", ".join(f"{name} = {value}" for name, value in figures["settings"].items())


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay out a table; the first cell of a row is text, the others may contain markup."""
    first = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "".join(
        f"<tr><th>{escape(row[0])}</th>{''.join(f'<td>{cell}</td>' for cell in row[1:])}</tr>" for row in rows
    )
    return f'<div class="scroll"><table><thead><tr>{first}</tr></thead><tbody>{body}</tbody></table></div>'
