"""What an operator looks at and mends: offsets, releases, dead letters."""
