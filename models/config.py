"""Every size and rate, frozen: what a network and a second stage are, and how each is trained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, Final, Literal, Self

HORIZONS: Final = ("short-term", "long-term")
"""The two time scales, each with its head, list and topic; always in this order."""

SHORT_TERM_SIZE: Final = 20
"""Tracks in a short-term list that is judged: HR@20, MRR@20."""

LONG_TERM_SIZE: Final = 100
"""Tracks in a long-term list that is judged: recall@100."""

RING_SIZE: Final = 64
"""Number of plays that a listener's state remembers; part of the state record's format."""

NUM_COUNTED: Final = 128
"""Number of tracks whose plays a listener's state counts; part of the state record's format."""

COUNT_DECAY: Final = 0.998
"""The factor of a count at each play of its listener; part of the meaning of a state record."""

CONTEXTS: Final = ("none", "album", "artist", "chart", "library", "playlist", "radio", "search", "other")
"""Where a play was started from. Indices are stored: append only."""

_MAX_NEIGHBOURS: Final = 20_000_000  # of all tracks, of a kind; fewer only than _LEAST_NEIGHBOURS per track
_LEAST_NEIGHBOURS: Final = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureConfig(ABC):
    """The sizes that every architecture has; saved beside the weights of a network.

    Attributes:
        embedding_size: dimensions of an item vector and of a taste vector: the paper's D.
        session_gap_s: a longer silence starts a new session; part of the release, as the ring terms are fitted to it.
        contexts: the contexts the network has an input for; others use that of "other", or none if there is none.
    """

    kind: ClassVar[str]
    """Name of the architecture in a release."""

    embedding_size: int = 64
    session_gap_s: int = 1800
    contexts: tuple[str, ...] = CONTEXTS

    @property
    @abstractmethod
    def hidden_size(self) -> int:
        """Return the number of floats of a listener's state, H."""

    def __post_init__(self) -> None:
        """Reject sizes that no network can have.

        Raises:
            ValueError: a size is not positive, or a context is unknown.
        """
        if min(self.embedding_size, self.hidden_size, self.session_gap_s) <= 0:
            raise ValueError(f"sizes of a network must be positive, got {self}")
        if foreign := set(self.contexts) - set(CONTEXTS):
            raise ValueError(f"contexts {sorted(foreign)} are not in models.config.CONTEXTS; append them there first")

    def to_dict(self) -> dict[str, Any]:
        """Return the name of the architecture and the fields, as JSON can hold them."""
        fields = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return {"kind": self.kind} | fields

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote of a network of this architecture.

        Raises:
            TypeError: a field is unknown.
            ValueError: a field has an impossible value.
        """
        values: dict[str, Any] = dict(fields) | {n: tuple(v) for n, v in fields.items() if isinstance(v, list)}
        values.pop("kind", None)
        return cls(**values)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkConfig(ArchitectureConfig):
    """The sizes of Refrain's own network.

    Attributes:
        hidden_size: units of the recurrence, a float32 each in every listener's state.
        embedding_dropout: share of the embedding that is dropped in training.
        hidden_dropout: share of the normalised hidden state that is dropped in training.
        initial_temperature: scale of the cosine before training.
    """

    kind: ClassVar[str] = "refrain"

    hidden_size: int = 128
    embedding_dropout: float = 0.2
    hidden_dropout: float = 0.2
    initial_temperature: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RecurrentConfig(ArchitectureConfig):
    """The sizes of a recurrent network per horizon (`models.networks.recurrent`).

    Attributes:
        cell: the recurrence.
        units: of each network.
        reads_gaps: the time since the previous play is an input; playlists have no times.
    """

    kind: ClassVar[str] = "recurrent"

    cell: Literal["gru", "lstm"] = "gru"
    units: int = 100
    reads_gaps: bool = True

    @property
    def hidden_size(self) -> int:
        """Return the number of floats of both networks' states; an LSTM has two per unit, h and c."""
        return len(HORIZONS) * self.units * {"gru": 1, "lstm": 2}[self.cell]


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscountConfig(ArchitectureConfig):
    """How fast an exponentially discounted mean forgets (`models.networks.averages`).

    Attributes:
        factors: weight of a song relative to the song after it, one per horizon, 0 (only the last song counts) to 1.
    """

    kind: ClassVar[str] = "discount"

    factors: tuple[float, float] = (0.3, 0.5)

    @property
    def hidden_size(self) -> int:
        """Return the number of floats of a mean per horizon."""
        return len(HORIZONS) * self.embedding_size

    def __post_init__(self) -> None:
        """Reject factors that forget nothing.

        Raises:
            ValueError: a factor is below 0, or 1 or more, or a size is impossible.
        """
        ArchitectureConfig.__post_init__(self)  # super() would refer to the class before slots were added
        if not all(0 <= factor < 1 for factor in self.factors):
            raise ValueError(f"a discount factor must be at least 0 and below 1, got {self.factors}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsConfig(ArchitectureConfig):
    """How a weight for each of the last songs is learned (`models.networks.averages`).

    Attributes:
        num_songs: number of songs that have a weight; no more than the plays a state can be rebuilt from.
        zipf_exponent: in training, only the last n songs count, n drawn with a probability proportional to 1 / n to
            this power.
        roughness_weight: factor of the regulariser.
    """

    kind: ClassVar[str] = "weights"

    num_songs: int = RING_SIZE
    zipf_exponent: float = 1.0
    roughness_weight: float = 0.001

    @property
    def hidden_size(self) -> int:
        """Return the number of songs: a state names each by a float."""
        return self.num_songs


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How a network is trained; the defaults were measured on 264,000 plays of 10,000 tracks (30Music).

    Fewer `epochs` and `item_epochs` give a first release sooner: 60,000 plays of 2,500 tracks take 12 s with 2 and 5,
    23 s with 3 and 15, on one thread.

    Attributes:
        epochs: passes over the plays.
        stream_plays: a longer history is cut into pieces of this many plays, each from a zero state.
        batch_plays: approximate number of plays in a batch.
        learning_rate: Adam's, at its peak.
        warm_up_steps: batches until the peak.
        final_rate_share: share of the peak left at the end of the linear decay.
        clip_norm: largest norm of a gradient.
        short_term_offsets: how many plays ahead the short-term target may be, both ends included.
        long_term_offsets: the same for the long-term target; cut to the plays a listener has left.
        long_term_weight: weight of the long-term loss relative to the short-term one.
        max_full_softmax_tracks: larger catalogues are trained with sampled softmax.
        num_negatives: tracks sampled per batch; sampled softmax only.
        negatives_exponent: negatives are drawn in proportion to popularity to this power.
        loss: between a taste vector and its target: "softmax" over the catalogue, "cosine" or "squared" distance.
        item_epochs: passes of word2vec over the sessions.
        item_window: number of plays before and after a play that make up its word2vec context.
        item_negatives: negatives per word2vec pair.
        item_learning_rate: of word2vec at the start; it decays.
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
        """Return the config of a fit that starts from an earlier network: a third of the passes."""
        return replace(self, epochs=max(1, round(self.epochs / 3)))


@dataclass(frozen=True, slots=True)
class RerankerConfig:
    """The sizes of a second stage; saved beside its weights.

    Attributes:
        num_first_stage: candidates from each horizon of the first stage; at least the length of the lists.
        num_counted: candidates from each kind of counts.
        num_neighbours: neighbours kept per track and kind of counts, at most: see `neighbours_kept`.
        num_pair_followers: followers kept per pair of tracks played one after the other.
        num_followed: number of latest plays whose followers count.
        follower_decay: weight of such a play relative to the play after it.
        num_accompanied: number of latest plays whose companions count.
        companion_decays: the same for companions, twice: one for the latest tracks, one for recent tracks.
        hidden_units: of each of the two layers.
    """

    num_first_stage: int = LONG_TERM_SIZE
    num_counted: int = 60
    num_neighbours: int = 100
    num_pair_followers: int = 8
    num_followed: int = 5
    follower_decay: float = 0.6
    num_accompanied: int = 20
    companion_decays: tuple[float, float] = (0.6, 0.9)
    hidden_units: int = 48

    def neighbours_kept(self, num_tracks: int) -> int:
        """Return how many neighbours per track and kind of counts a catalogue has room for.

        At 8 bytes each, the three kinds take at most 480 MB up to 1.6 million tracks; of ten million, at most 2.9 GB.
        """
        return min(self.num_neighbours, max(_LEAST_NEIGHBOURS, _MAX_NEIGHBOURS // num_tracks))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON can hold them."""
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
    """How a second stage is fitted.

    Attributes:
        epochs: passes over the anchors.
        batch_anchors: anchors in a batch.
        learning_rate: Adam's, at its peak; it decays linearly.
        final_rate_share: share of the peak left at the end.
        weight_decay: Adam's.
        max_anchors: the newest so many anchors are used. Candidates take 10 KB per anchor during a fit.
        long_term_stride: every how many anchors the long-term horizon is fitted too.
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
