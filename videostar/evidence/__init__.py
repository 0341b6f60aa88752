"""Does a clip show what an answer says of it? A second model, of pictures and texts, compares the two."""
