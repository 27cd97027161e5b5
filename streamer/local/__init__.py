"""Kafka, a cluster and simulated listeners on this machine, for the demo, replays and tests."""
