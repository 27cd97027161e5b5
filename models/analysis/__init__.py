"""What only a report asks: breakdowns, calibration, the map of taste, and a rival network."""
