"""Kafka without Faust: topics, offsets, consumers, producers, fences and transactions."""
