"""Releases: what is on the shelf, which one is champion, and how another becomes it."""
