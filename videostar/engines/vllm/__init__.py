"""vLLM, started by this process."""
