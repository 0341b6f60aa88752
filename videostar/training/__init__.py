"""The training stage: LoRA on kept answers."""
