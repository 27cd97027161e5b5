"""What every process does: crash, stop on a signal, retry, serve its health, pick its device, keep its files."""
