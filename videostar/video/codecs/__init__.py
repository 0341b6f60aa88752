"""Parsers of the headers of coded video."""
