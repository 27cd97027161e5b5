"""The headway of a demo towards its first answer: a slow machine makes some, a stuck demo makes none."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a demo has come.

    Attributes:
        page: where its page answers; empty before it does.
        num_sent: plays sent.
        num_applied: plays applied.
        num_steps: different steps of a fit that the trainer has reached.
    """

    page: str = ""
    num_sent: int = 0
    num_applied: int = 0
    num_steps: int = 0


class Headway:
    """Tells how long a demo has stood still; all times are of one clock.

    Args:
        history_plays: what must be sent and applied; those that follow at a steady rate bring no answer nearer.
    """

    def __init__(self, history_plays: int) -> None:
        self._history_plays = history_plays
        self._latest: Reached | None = None
        self._since_s = 0.0

    def standstill_s(self, now_s: float, reached: Reached) -> float:
        """Note how far the demo has come; return for how long it has been there."""
        total = self._history_plays
        capped = Reached(reached.page, min(reached.num_sent, total), min(reached.num_applied, total), reached.num_steps)
        if capped != self._latest:
            self._latest, self._since_s = capped, now_s
        return now_s - self._since_s
