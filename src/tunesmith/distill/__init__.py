"""Distillation: a stronger model's answers to your questions become Examples, with who said what."""
