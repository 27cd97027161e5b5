"""The entry point: ends without a word when it is interrupted, even before the commands are imported."""

import signal
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command; the signal itself ends the process while the commands are imported, which takes half a second."""
    handler = signal.signal(signal.SIGINT, signal.SIG_DFL)
    from streamer import command_line  # noqa: PLC0415  see above

    signal.signal(signal.SIGINT, handler)
    command_line.main(arguments)


if __name__ == "__main__":
    main()
