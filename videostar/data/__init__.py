"""From row files to checked samples. Nothing here imports torch."""
