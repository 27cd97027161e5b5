"""Columns of plays: catalogue, histories, features, ring, counts, and how a stream is split by time."""
