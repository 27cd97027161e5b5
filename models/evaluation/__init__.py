"""Evaluation of lists: the protocol, the metrics, the gate, and the baselines a network must beat."""
