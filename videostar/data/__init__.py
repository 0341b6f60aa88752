"""From row files to checked samples. No torch here."""
