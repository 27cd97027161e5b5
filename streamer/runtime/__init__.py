"""What any process does: end at once, stop when asked, try again, serve its health, find its device."""
