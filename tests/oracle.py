"""The oracle: what a listener's state and answers must be, folded one play at a time with lists and loops.

It shares only the format's constants and the network's weights with the product: the recurrence, the features and the
ranking are reimplemented, slowly, in float64.
"""

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec
import numpy as np
from aiokafka import ConsumerRecord
from numpy.typing import NDArray

from models.config import CONTEXTS, HORIZONS, RING_SIZE
from models.networks.network import TasteNetwork
from models.release import Release

Vector = NDArray[np.float64]

#: A listener: a user id in one partition.
Who = tuple[int, str]

_DAY_S: Final = 86_400
_AGES_DAYS: Final = (1, 7, 30)


@dataclass(frozen=True)
class Heard:
    """One play as the oracle remembers it."""

    track: str
    played_at_ms: int
    context: str = "none"
    is_skipped: bool = False
    offset: int = 0
    repeats: bool = False


@dataclass
class Life:
    """All plays of a listener since they were last forgotten, and the hidden state they give under one release."""

    plays: list[Heard] = field(default_factory=list)
    release: Release | None = None
    folded_from: int = 0  # index of the first play that `hidden` holds
    hidden: Vector | None = None

    @property
    def ring(self) -> list[Heard]:
        return self.plays[-RING_SIZE:]

    @property
    def plays_folded(self) -> int:
        return 0 if self.release is None else len(self.plays) - self.folded_from

    def hear(self, play: Heard, release: Release | None) -> None:
        """Add one play; if the release has changed, first refold the plays in the ring."""
        if release is not None and (self.release is None or self.release.key != release.key):
            self.folded_from = max(0, len(self.plays) - RING_SIZE)
            self.hidden = fold(release, self.plays[self.folded_from :])
        self.release = release
        repeats = play.track in [earlier.track for earlier in self.ring]
        before = self.ring
        self.plays.append(replace(play, repeats=repeats))
        if release is not None:
            assert self.hidden is not None
            self.hidden = advance(release, self.hidden, before, self.plays[-1])


@dataclass
class Oracle:
    """The lives of all listeners, advanced by one valid record at a time."""

    lives: dict[Who, Life] = field(default_factory=dict)

    def hear(self, record: ConsumerRecord[bytes, bytes], release: Release | None) -> Life | None:
        """Apply one record; return the life it belongs to, None if it ended one."""
        assert record.key is not None
        who = record.partition, record.key.decode()
        if record.value is None:
            self.lives.pop(who, None)
            return None
        play = msgspec.json.decode(record.value)
        life = self.lives.setdefault(who, Life())
        heard = Heard(play["track_id"], play["played_at"], play["context"], play["skipped"], record.offset)
        life.hear(heard, release)
        return life

    def hear_all(self, records: Iterable[ConsumerRecord[bytes, bytes]], release: Release | None) -> "Oracle":
        for record in records:
            self.hear(record, release)
        return self


def fold(release: Release, plays: list[Heard]) -> Vector:
    """Fold plays from an empty state, with the `repeats` they got on arrival."""
    hidden = np.zeros(release.network.config.hidden_size)
    for number, play in enumerate(plays):
        hidden = advance(release, hidden, plays[max(0, number - RING_SIZE) : number], play)
    return hidden


def advance(release: Release, hidden: Vector, before: list[Heard], play: Heard) -> Vector:
    """Advance a state by one play that follows the RING_SIZE plays `before`."""
    tracks, config = tuple(release.catalogue.track_ids), release.network.config
    if play.track not in tracks:
        return hidden
    gap_s, is_start = _gap(before, play, tracks, config.session_gap_s)
    features = [math.log1p(gap_s) / 8, float(is_start), float(gap_s > _DAY_S), float(play.repeats)]
    features += [float(play.context == context) for context in CONTEXTS]
    weights = _weights(release.network)
    x = np.concatenate([weights["embedding.weight"][tracks.index(play.track) + 2], features])
    return _gru(weights, x, hidden)


@functools.lru_cache(maxsize=8)
def _weights(network: TasteNetwork) -> dict[str, Vector]:
    weights = network.state_dict() | {"embedding.weight": network.embedding.weight}
    return {name: tensor.double().numpy() for name, tensor in weights.items()}


def _gap(before: list[Heard], play: Heard, tracks: tuple[str, ...], session_gap_s: int) -> tuple[float, bool]:
    known = [earlier for earlier in before if earlier.track in tracks]
    if not known:
        return 0.0, True
    gap_s = max(0, play.played_at_ms - known[-1].played_at_ms) / 1000
    return gap_s, gap_s > session_gap_s


def _gru(weights: dict[str, Vector], x: Vector, h: Vector) -> Vector:
    """One step of Cho et al. 2014, as torch.nn.GRU orders and names its gates."""
    from_x = weights["recurrence.weight_ih_l0"] @ x + weights["recurrence.bias_ih_l0"]
    from_h = weights["recurrence.weight_hh_l0"] @ h + weights["recurrence.bias_hh_l0"]
    (rx, zx, nx), (rh, zh, nh) = np.split(from_x, 3), np.split(from_h, 3)
    reset, update = 1 / (1 + np.exp(-rx - rh)), 1 / (1 + np.exp(-zx - zh))
    new = np.tanh(nx + reset * nh)
    moved: Vector = (1 - update) * new + update * h
    return moved


def score(release: Release, life: Life, horizon: int) -> dict[str, float]:
    """Score every track for a listener, after their last play: how likely it is relative to the best one."""
    assert life.hidden is not None
    weights = _weights(release.network)
    centred = life.hidden - life.hidden.mean()
    read = centred / np.sqrt((centred**2).mean() + 1e-5) * weights["norm.weight"] + weights["norm.bias"]
    taste = weights[f"heads.{horizon}.weight"] @ read + weights[f"heads.{horizon}.bias"]
    taste /= np.linalg.norm(taste)
    ring = weights[f"ring_weights.{horizon}"] + read @ weights[f"ring_gates.{horizon}"]
    known = [play for play in life.ring if play.track in release.catalogue.track_ids]
    scores = {}
    for row, track in enumerate(release.catalogue.track_ids, start=2):
        item = weights["embedding.weight"][row]
        scores[track] = float(taste @ item / np.linalg.norm(item))
        if track in [play.track for play in known]:
            places = _ring_places(known, track, release.network.config.session_gap_s)
            scores[track] += float(sum(ring[place] for place in places) / weights["temperature"])
    best = max(scores.values())
    return {track: math.exp(float(weights["temperature"]) * (score - best)) for track, score in scores.items()}


def _ring_places(known: list[Heard], track: str, session_gap_s: int) -> tuple[int, int, int]:
    """Return the three weights of a track in the ring: recency 0-8, count 9-12, bigram 13-15."""
    latest = max(number for number, play in enumerate(known) if play.track == track)
    plays_ago = len(known) - 1 - latest
    between = [max(0, b.played_at_ms - a.played_at_ms) / 1000 for a, b in zip(known[latest:], known[latest + 1 :])]  # noqa: B905
    if all(gap_s <= session_gap_s for gap_s in between):
        recency = 0 if plays_ago == 0 else 1 if plays_ago == 1 else 2 if plays_ago <= 3 else 3 if plays_ago <= 8 else 4
    else:
        age_days = (known[-1].played_at_ms - known[latest].played_at_ms) / 1000 / _DAY_S
        recency = 5 + sum(age_days >= edge for edge in _AGES_DAYS)
    num = sum(play.track == track for play in known)
    count = 0 if num == 1 else 1 if num == 2 else 2 if num <= 4 else 3
    current, tracks = known[-1].track, [play.track for play in known]
    follows = [
        next(
            (back for back in (1, 2) if number >= back and tracks[number - back] == current),
            0,
        )
        for number, play in enumerate(known)
        if play.track == track
    ]
    bigram = 1 if 1 in follows else 2 if 2 in follows else 0
    return recency, 9 + count, 13 + bigram


def score_all(release: Release, life: Life) -> list[dict[str, float]]:
    """Score the catalogue once per horizon."""
    return [score(release, life, horizon) for horizon in range(len(HORIZONS))]
