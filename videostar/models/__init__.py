"""Vision-language models: loading, prompts, LoRA and canaries."""
