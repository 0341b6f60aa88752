"""A vLLM server that runs already."""
