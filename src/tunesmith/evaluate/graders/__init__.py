"""Graders in OpenAI's forms, run on this machine."""
