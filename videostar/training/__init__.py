"""One LoRA round."""
