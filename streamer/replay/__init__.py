"""The replay: recorded listening through Kafka, and what the answers to it are worth."""
