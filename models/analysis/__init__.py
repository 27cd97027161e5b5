"""Analysis for reports: breakdowns, calibration, the map of taste, and a rival network."""
