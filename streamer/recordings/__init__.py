"""Plays and playlists in files."""
