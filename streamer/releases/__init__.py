"""Releases: the registry, the champion, and how another release becomes champion."""
