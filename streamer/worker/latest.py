"""Latest: who played a moment ago, as a reference to what the latest batch held; nothing is copied for it."""

from collections.abc import Sequence


class Latest:
    """The listeners of the latest batch.

    Attributes:
        users: their ids in UTF-8, forgotten ones included.
    """

    users: Sequence[bytes] = ()
