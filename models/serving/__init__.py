"""One step of serving: fold new plays into states, find candidates, rank them."""
