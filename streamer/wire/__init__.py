"""Bytes <-> data: the messages on Kafka, the state record, the keys of the changelog."""
