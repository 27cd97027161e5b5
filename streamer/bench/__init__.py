"""What a worker would do on this machine, measured with the code that a worker runs."""
