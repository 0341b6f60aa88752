"""videostar: self-training for video language models from labelled videos."""

__version__ = "0.1.0"
