"""A run on disk: its manifest, what may change under it, and what it tells."""
