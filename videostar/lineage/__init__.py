"""What became of labelled videos, round by round, and why: reads what runs leave on disk and changes none of it."""
