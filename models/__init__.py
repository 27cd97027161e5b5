"""The arithmetic of Refrain: catalogue, network, ranking, training, evaluation and the release that holds them."""
