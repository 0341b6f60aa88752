"""A small video world and a small model of it, so that every stage can run for real anywhere."""
