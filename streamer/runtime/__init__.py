"""What any process does: end at once, stop when asked, retry, serve its health, find its device, keep its files."""
