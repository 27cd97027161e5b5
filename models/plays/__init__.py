"""Columns of plays: catalogue, histories, features, ring, counts, and the split of a stream by time."""
