"""The view: a picture rendered for a terminal of at least 100 x 30, or as one line of text."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from rich.align import Align
from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.padding import Padding
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from models.config import LONG_TERM_SIZE, SHORT_TERM_SIZE
from models.wording import plural
from streamer.demo.picture import Live, Phase, Picture, PlayedTrack, Spotlight, Track
from streamer.demo.scores import WINDOW_PLAYS, Score

_ACCENT: Final = "bright_cyan"
_QUIET: Final = "grey58"
_NEWS: Final = "bold yellow"
_BORDER: Final = "grey35"
_BAR_CELLS: Final = 20

#: Colours of genres: they show a listener's taste at a glance.
_GENRES: Final = (
    "#e06c75", "#e5a06c", "#e5c07b", "#b5cc72", "#7fbf7f", "#56b6a2",
    "#56b6c2", "#61afef", "#7a8cf0", "#a98bf0", "#c678dd", "#e07fb4",
)  # fmt: skip

_SPINNER: Final = Spinner("dots", style=_ACCENT)  # shared by all pictures: it turns with the time since the first one


def render(picture: Picture) -> RenderableType:
    """Lay out a picture for a whole screen."""
    layout = Layout()
    layout.split_column(Layout(_title(picture), size=1), Layout(name="rest"))
    if picture.live is None:
        layout["rest"].update(Align.center(_start(picture), vertical="middle"))
        return layout
    layout["rest"].split_column(
        Layout(name="figures", size=9), Layout(_listener(picture.live.spotlight, picture.played_at_ms))
    )
    layout["figures"].split_row(
        Layout(_stream(picture.live), ratio=28),
        Layout(_quality(picture.live.scores), ratio=38),
        Layout(_release(picture.live, picture.trainer), ratio=34),
    )
    return layout


def render_figures(picture: Picture) -> str:
    """Format the figures of a picture as one line, for logs and pipes; empty before there are any."""
    live, trainer = picture.live, f"; trainer: {picture.trainer}"
    if live is not None:
        return _figures(live) + trainer + (f"; {picture.end}" if picture.end else "")
    return (
        f"{plural(picture.num_sent, 'play')} sent, {picture.num_applied:,} applied{trainer}" if picture.num_sent else ""
    )


def render_line(elapsed_s: float, text: str) -> str:
    """Format a line of a log."""
    return f"{_clock(elapsed_s)} {text}\n"


def _figures(live: Live) -> str:
    release, (_, popularity, _) = live.release, live.scores
    earlier = f"release {release.number - 1}: {_share(release.earlier_hit_rate)}, " if release.number > 1 else ""
    return (
        f"{live.plays_per_s:,.0f} plays/s, {live.answers_per_s:,.0f} lists/s, lag {plural(live.lag, 'play')}, "
        f"latency {_latency(live.latency_ms[:1])} (99 %: {_latency(live.latency_ms[1:])}), "
        f"dead letters {live.dead_letters} of {live.bad_sent}, HR@20 of release {release.number}: "
        f"{_share(release.hit_rate)} ({earlier}popularity: {_share(popularity.hr_at_20)})"
    )


def _title(picture: Picture) -> Table:
    title = Table.grid(expand=True)
    title.add_column(no_wrap=True, overflow="ellipsis")
    title.add_column(justify="right")
    news = Text(picture.notices[-1].text, _NEWS) if picture.notices else Text(_status(picture), _QUIET)
    left = Text.assemble((" Refrain", f"bold {_ACCENT}"), ("  ", ""), news)
    title.add_row(left, Text.assemble((_clock(picture.elapsed_s), "bold"), " "))
    return title


def _status(picture: Picture) -> str:
    return ", ".join(filter(None, (picture.status, picture.end)))


def _start(picture: Picture) -> RenderableType:
    """List the phases, and beneath them what to do meanwhile."""
    phases = picture.phases
    lines = Table.grid(padding=(0, 2))
    for width in (1, 30, _BAR_CELLS, 34):  # fixed, so that nothing moves while the bars fill
        lines.add_column(width=width)
    current = next((number for number, phase in enumerate(phases) if phase.share != 1.0), len(phases))
    for number, phase in enumerate(phases):
        is_ahead = number > current and not phase.share and phase.share is not None
        name = Text(phase.name, style=_QUIET if is_ahead else "bold" if phase.share != 1.0 else "")
        lines.add_row(_mark(phase, is_ahead=is_ahead), name, _bar(phase), Text(phase.note, style=_QUIET))
        lines.add_row("")
    return Group(Padding(Align.center(lines), (0, 2)), Align.center(Text(picture.status, style=f"bold {_ACCENT}")))


def _mark(phase: Phase, *, is_ahead: bool) -> RenderableType:
    if phase.share == 1.0:
        return Text("✓", style=_ACCENT)
    return Text("·", style=_QUIET) if is_ahead else _SPINNER


def _bar(phase: Phase) -> RenderableType:
    if not phase.share or phase.share == 1.0:
        return Text("")
    return ProgressBar(total=1.0, completed=phase.share, width=_BAR_CELLS, complete_style=_ACCENT, style=_BORDER)


def _stream(live: Live) -> Panel:
    rows = [
        ("plays", f"{live.plays_per_s:,.0f} /s"),
        ("lists", f"{live.answers_per_s:,.0f} /s"),
        ("lag", plural(live.lag, "play")),
        ("latency, median", _latency(live.latency_ms[:1])),
        ("latency, 99 %", _latency(live.latency_ms[1:])),
        ("applied", f"{live.num_applied:,}"),
        ("dead letters", f"{live.dead_letters} of {live.bad_sent}"),
    ]
    return _panel("stream", _facts(rows))


def _quality(scores: tuple[Score, Score, Score]) -> Panel:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(style=_QUIET)
    for _ in scores:
        table.add_column(justify="right")
    table.add_row("", *(Text(name, style=_QUIET) for name in ("Refrain", "popular", "chance")))
    for name, figures in (
        ("HR@20", [score.hr_at_20 for score in scores]),
        ("MRR@20", [score.mrr_at_20 for score in scores]),
        ("recall@100", [score.lt_recall_at_100 for score in scores]),
    ):
        refrain, *baselines = map(_share, figures)
        table.add_row(name, Text(refrain, style=f"bold {_ACCENT}"), *baselines)
    note = f"\nthe next play in the list of {SHORT_TERM_SIZE},\nthe next {WINDOW_PLAYS} in the list of {LONG_TERM_SIZE}"
    return _panel("were the answers right so far?", Group(table, Text(note, style=_QUIET)))


def _release(live: Live, trainer: str) -> Panel:
    release = live.release
    rows = [("answering for", _clock(release.for_s)), ("HR@20", _share(release.hit_rate))]
    if release.number > 1:
        rows.append((f"of release {release.number - 1}", _share(release.earlier_hit_rate)))
    name = Text(release.release_id, style=f"bold {_ACCENT}", no_wrap=True, overflow="ellipsis")
    words = Text.assemble(("trainer: ", _QUIET), trainer)
    return _panel(f"release {release.number}", Group(name, _facts(rows), words))


def _listener(spotlight: Spotlight, played_at_ms: int | None) -> Panel:
    columns = Table.grid(expand=True, padding=(0, 1))
    for _ in range(3):
        columns.add_column(ratio=1)
    columns.add_row(
        _column("played last", (_played_line(played) for played in spotlight.plays)),
        _column("next, short-term", _numbered(spotlight.short_term)),
        _column("to discover, long-term", _numbered(spotlight.long_term)),
    )
    time = "" if played_at_ms is None else f", {_date(played_at_ms)} in the listeners' time"
    panel = _panel(f"{spotlight.user_id}{time}", columns)
    panel.subtitle = Text("● genre   #3 third in the previous list   12·4 album and track", style=_QUIET)
    panel.subtitle_align = "right"
    return panel


def _column(head: str, lines: Iterable[Text]) -> Group:
    return Group(Text(head, style=_QUIET), *lines)


def _played_line(played: PlayedTrack) -> Text:
    """Start with the play's place in the list before it, if it had one."""
    return _track(f"#{played.place}" if played.place else "", f"bold {_ACCENT}", played.track)


def _numbered(tracks: Sequence[Track]) -> Iterable[Text]:
    return (_track(str(place), _QUIET, track) for place, track in enumerate(tracks, start=1))


def _track(begin: str, style: str, track: Track) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{begin:>3} ", style)
    line.append("● ", _GENRES[track.genre % len(_GENRES)])
    line.append(track.track_id)
    return line.append(f"  {track.album}·{track.number}", _QUIET)


def _facts(rows: Sequence[tuple[str, str]]) -> Table:
    table = Table.grid(expand=True, padding=(0, 1))
    table.add_column(style=_QUIET, no_wrap=True)
    table.add_column(justify="right")
    for name, text in rows:
        table.add_row(name, text)
    return table


def _panel(title: str, content: RenderableType) -> Panel:
    return Panel(content, title=Text(title, style=_QUIET), title_align="left", border_style=_BORDER, padding=(0, 1))


def _latency(latency_ms: Sequence[float]) -> str:
    return f"{latency_ms[0]:,.0f} ms" if latency_ms else "-"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.3f}"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes:02d}:{rest:02d}"


def _date(at_ms: int) -> str:
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC):%d %b %Y, %H:00}"
