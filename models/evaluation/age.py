"""Ages in words, for verdicts and lists of releases."""


def span(seconds: float) -> str:
    """Write an age in a suitable unit."""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
