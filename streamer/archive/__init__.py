"""The archive: every play on the trainer's disk exactly once."""
