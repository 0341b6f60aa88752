"""The demo: a small data set of drawn clips and a small model that understands them, so that every stage runs anywhere.

The code calls this data set a world: its clips are drawn by program, so the truth about every clip is known.
"""
