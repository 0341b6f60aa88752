"""Vision-language models: loading, prompts and LoRA."""
