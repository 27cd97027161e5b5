"""What an operator inspects and repairs: offsets, releases, dead letters."""
