"""The metrics of the questions that are asked of a worker over HTTP."""

from typing import Final

from streamer.metrics.register import Register

_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)


class QueryMetrics:
    """Counts questions, and how long they took."""

    def __init__(self, register: Register) -> None:
        self._queries = register.counter(
            "refrain_queries", "questions", "Questions over HTTP that were answered, by route and status.",
            "429: more is asked at once than a worker answers beside its plays. 401, 403: somebody asks without the "
            "right token. 500: the log says where. 499: whoever asked left.", route=(), status=(),
        )  # fmt: skip
        self._seconds = register.histogram(
            "refrain_query_seconds", "seconds", "Seconds from a question to its answer, event streams left out.",
            "Rises: many ask at once, one after the other is answered; plays are answered in another thread.",
            buckets=_SECONDS, route=(),
        )  # fmt: skip

    def count(self, route: str, status: int, seconds: float | None) -> None:
        """Count an answer, and its seconds unless it is a stream."""
        self._queries.labels(route, str(status)).inc()
        if seconds is not None:
            self._seconds.labels(route).observe(seconds)
