"""The worker: a play comes in, an answer goes out."""
