"""Every size and rate, frozen: what a network and a second stage are, and how each is trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Final, Literal, Self

HORIZONS: Final = ("short-term", "long-term")
"""The two time scales; a head, a list and a topic each, always in this order."""

RING_SIZE: Final = 64
"""Plays a listener's state remembers; part of the state record's format."""

NUM_COUNTED: Final = 128
"""Tracks whose plays a listener's state counts; part of the state record's format."""

COUNT_DECAY: Final = 0.998
"""What a count is multiplied by at each play of its listener; part of the meaning of a state record."""

CONTEXTS: Final = ("none", "album", "artist", "chart", "library", "playlist", "radio", "search", "other")
"""Where a play was started from. The index is the stored code: append only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureConfig(ABC):
    """Say what every kind of network says of itself; saved beside its weights.

    Attributes:
        embedding_size: dimensions of an item vector and of a taste vector: the paper's D.
        session_gap_s: a longer silence starts a new session; a fact of the release, as the ring terms are fitted to it.
        contexts: the contexts the network has an input for; others go to "other", or to no input where that is missing.
    """

    kind: ClassVar[str]
    """Name of the kind, in a release."""

    embedding_size: int = 64
    session_gap_s: int = 1800
    contexts: tuple[str, ...] = CONTEXTS

    @property
    @abstractmethod
    def hidden_size(self) -> int:
        """Count the floats of a listener's state, H."""

    def __post_init__(self) -> None:
        """Refuse what no network can be built from.

        Raises:
            ValueError: a size is not positive, or a context is unknown.
        """
        if min(self.embedding_size, self.hidden_size, self.session_gap_s) <= 0:
            raise ValueError(f"sizes of a network must be positive, got {self}")
        if foreign := set(self.contexts) - set(CONTEXTS):
            raise ValueError(f"contexts {sorted(foreign)} are not in models.config.CONTEXTS; append them there first")

    def to_dict(self) -> dict[str, Any]:
        """Give the kind and the fields as JSON can hold them."""
        fields = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {"kind": self.kind} | fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote of a network of this kind.

        Raises:
            TypeError: a field is unknown.
            ValueError: a field has an impossible value.
        """
        values: dict[str, Any] = dict(fields) | {n: tuple(v) for n, v in fields.items() if isinstance(v, list)}
        values.pop("kind", None)
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig(ArchitectureConfig):
    """Size Refrain's own network.

    Attributes:
        hidden_size: units of the recurrence; float32 each in every listener's state.
        embedding_dropout: share of the embedding dropped while training.
        hidden_dropout: share of the normalised hidden state dropped while training.
        initial_temperature: scale of the cosine before training.
    """

    kind: ClassVar[str] = "refrain"

    hidden_size: int = 128
    embedding_dropout: float = 0.2
    hidden_dropout: float = 0.2
    initial_temperature: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurrentConfig(ArchitectureConfig):
    """Size a recurrent network a horizon (`models.networks.recurrent`).

    Attributes:
        cell: what recurs.
        units: of each of the networks.
        reads_gaps: whether the time since the play before is an input; playlists have no times.
    """

    kind: ClassVar[str] = "recurrent"

    cell: Literal["gru", "lstm"] = "gru"
    units: int = 100
    reads_gaps: bool = True

    @property
    def hidden_size(self) -> int:
        """Count the floats of both networks' states; an LSTM has two a unit, h and c."""
        return len(HORIZONS) * self.units * {"gru": 1, "lstm": 2}[self.cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountConfig(ArchitectureConfig):
    """Say how fast an exponentially discounted mean forgets (`models.networks.averages`).

    Attributes:
        factors: what a song weighs beside the song that came after it, one a horizon, 0 (the last song alone) to 1.
    """

    kind: ClassVar[str] = "discount"

    factors: tuple[float, float] = (0.3, 0.5)

    @property
    def hidden_size(self) -> int:
        """Count the floats of a mean a horizon."""
        return len(HORIZONS) * self.embedding_size

    def __post_init__(self) -> None:
        """Refuse factors that forget nothing.

        Raises:
            ValueError: a factor is below 0, or 1 or more, or a size is impossible.
        """
        ArchitectureConfig.__post_init__(self)  # super() means the class before its slots
        if not all(0 <= factor < 1 for factor in self.factors):
            raise ValueError(f"a discount factor must be at least 0 and below 1, got {self.factors}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsConfig(ArchitectureConfig):
    """Say how a learned weight for each of the last songs is learned (`models.networks.averages`).

    Attributes:
        num_songs: that have a weight; no more than a state can be rebuilt from.
        zipf_exponent: while training, only the last n songs count, n drawn with a chance as 1 / n to this power.
        roughness_weight: of the regulariser beside the loss.
    """

    kind: ClassVar[str] = "weights"

    num_songs: int = RING_SIZE
    zipf_exponent: float = 1.0
    roughness_weight: float = 0.001

    @property
    def hidden_size(self) -> int:
        """Count the songs: a state names each by a float."""
        return self.num_songs


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Say how a network is trained; the defaults were measured on 264,000 plays of 10,000 tracks (30Music).

    A first release in a hurry wants fewer `epochs` and `item_epochs`: 60,000 plays of 2,500 tracks take 12 s with 2 and
    5, 23 s with 3 and 15, on one thread.

    Attributes:
        epochs: passes over the plays.
        stream_plays: a longer history is cut into pieces of this many plays, each from a zero state.
        batch_plays: plays in a batch, about.
        learning_rate: Adam's, at its peak.
        warm_up_steps: batches until the peak.
        final_rate_share: share of the peak left at the end of the linear decay.
        clip_norm: largest norm of a gradient.
        short_term_offsets: how many plays ahead the short-term target may lie, both ends included.
        long_term_offsets: the same, long-term; cut to the plays a listener has left.
        long_term_weight: of that horizon's loss beside 1 for the short-term one.
        max_full_softmax_tracks: a larger catalogue is trained by sampled softmax.
        num_negatives: tracks sampled for a batch, sampled softmax only.
        negatives_exponent: negatives are drawn as popularity to this power.
        loss: of a taste vector beside its target: "softmax" over the catalogue; "cosine" or "squared" distance.
        item_epochs: passes of word2vec over the sessions.
        item_window: plays before and after that make up a word2vec context.
        item_negatives: negatives of word2vec.
        item_learning_rate: of word2vec, decaying.
        seed: of every random choice.
    """

    epochs: int = 6
    stream_plays: int = 256
    batch_plays: int = 1024
    learning_rate: float = 5e-3
    warm_up_steps: int = 100
    final_rate_share: float = 0.05
    clip_norm: float = 5.0
    short_term_offsets: tuple[int, int] = (1, 1)
    long_term_offsets: tuple[int, int] = (1, 100)
    long_term_weight: float = 0.3
    max_full_softmax_tracks: int = 10_000
    num_negatives: int = 1024
    negatives_exponent: float = 0.5
    loss: Literal["softmax", "cosine", "squared"] = "softmax"
    item_epochs: int = 15
    item_window: int = 7
    item_negatives: int = 10
    item_learning_rate: float = 0.05
    seed: int = 1

    def refreshed(self) -> TrainingConfig:
        """Say how to train on from an earlier network: a third of the passes."""
        return replace(self, epochs=max(1, round(self.epochs / 3)))


@dataclass(frozen=True, slots=True)
class RerankerConfig:
    """Size a second stage; saved beside its weights.

    Attributes:
        num_first_stage: candidates of each horizon of the first stage; at least the length of the lists.
        num_counted: candidates of each kind of counts.
        num_neighbours: kept of each track and kind of counts.
        num_pair_followers: kept of each pair of tracks played one after the other.
        num_followed: latest plays whose followers count.
        follower_decay: weight of a play among them beside the next one's.
        num_accompanied: latest plays whose companions count.
        companion_decays: the same for them, twice: the latest tracks, tracks of late.
        hidden_units: of each of the two layers.
    """

    num_first_stage: int = 100
    num_counted: int = 60
    num_neighbours: int = 100
    num_pair_followers: int = 8
    num_followed: int = 5
    follower_decay: float = 0.6
    num_accompanied: int = 20
    companion_decays: tuple[float, float] = (0.6, 0.9)
    hidden_units: int = 48

    def to_dict(self) -> dict[str, Any]:
        """Give the fields as JSON can hold them."""
        return asdict(self) | {"companion_decays": list(self.companion_decays)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Read what `to_dict` wrote.

        Raises:
            TypeError: a field is unknown.
        """
        return cls(**fields | {"companion_decays": tuple(fields["companion_decays"])})


@dataclass(frozen=True, slots=True)
class RerankerTraining:
    """Say how a second stage is fitted.

    Attributes:
        epochs: passes over the anchors.
        batch_anchors: anchors in a batch.
        learning_rate: Adam's at its peak, falling linearly.
        final_rate_share: of the peak, at the end.
        weight_decay: Adam's.
        max_anchors: asked for their next play; the newest. Their candidates take 10 KB each while a fit runs.
        long_term_stride: every which anchor is asked for its weeks to come too.
        seed: of every random choice.
    """

    epochs: int = 4
    batch_anchors: int = 96
    learning_rate: float = 3e-3
    final_rate_share: float = 0.03
    weight_decay: float = 1e-5
    max_anchors: int = 32_000
    long_term_stride: int = 2
    seed: int = 1
