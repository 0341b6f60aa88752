"""From a video file to the frames that a model sees. No torch here."""
