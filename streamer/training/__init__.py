"""Training: turns archived or recorded plays into a release."""
