"""Training: from shards of plays to a network and a second stage."""
