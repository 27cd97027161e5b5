"""The arithmetic of Refrain: catalogue, networks, ranking, training, evaluation, and releases."""
