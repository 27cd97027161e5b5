"""Times as commands show them."""

from datetime import UTC, datetime


def when(at_ms: int) -> str:
    """Format a time as RFC 3339, or as milliseconds if no calendar date represents it."""
    try:
        return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OverflowError, ValueError):
        return f"{at_ms:24}"
