"""The demo: everything on one machine, with simulated listeners, and an account of every play."""
