"""How good lists are: the protocol, the metrics, the gate, and what a network must beat."""
