"""The archive: plays on the trainer's disk, each once."""
