"""A vLLM server that already runs."""
