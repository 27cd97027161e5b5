"""Kafka without Faust: topics, offsets, consumers, fences, and what one transaction holds."""
