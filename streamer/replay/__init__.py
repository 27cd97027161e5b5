"""The replay: recorded plays through Kafka, and how good the answers are."""
