"""Dead letters: which of them to act on, sending them again, and discarding them."""
