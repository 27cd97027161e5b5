"""Views of the map of taste: the path of a listener on it, and what its regions are called."""

from typing import Annotated, TypeAlias

import msgspec
from msgspec import Meta

from streamer.wire.messages import Horizon

Point: TypeAlias = Annotated[tuple[float, float], Meta(description="x and y, in units of the map.")]


class TasteOfHorizon(msgspec.Struct, frozen=True):
    """Where the taste of one horizon was after each play."""

    horizon: Horizon
    points: tuple[Point, ...]


class TastePath(msgspec.Struct, frozen=True):
    """The path of a listener's taste over the map, play by play, as far as plays are remembered."""

    user_id: str
    release: Annotated[str, Meta(description="Whose map it is.")]
    is_rebuilt: Annotated[
        bool,
        Meta(
            description="The points before the latest are of a state that contains the remembered plays alone; that of "
            "the listener also contains older ones, or is of another release, and then the latest point is rebuilt too."
        ),
    ]
    plays: Annotated[tuple[int, ...], Meta(description="Numbers of the plays, as of `RememberedPlay`, oldest first.")]
    horizons: tuple[TasteOfHorizon, ...]


class MapRegion(msgspec.Struct, frozen=True):
    """A group of similar tracks, where most of them are."""

    group: Annotated[int, Meta(ge=0)]
    x: float
    y: float
    label: Annotated[
        str | None,
        Meta(description="The tag, or else the artist, by which its most played tracks differ most from those of other "
             "groups; null if the catalogue has neither."),
    ]  # fmt: skip
    tracks: Annotated[int, Meta(description="How many there are.")]
