"""Kafka, a cluster and listeners on this machine, for the demo, a replay and tests."""
