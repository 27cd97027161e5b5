"""Training: plays go in, a release comes out."""
