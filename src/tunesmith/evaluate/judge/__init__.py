"""A language model as judge: marks by a rubric, and answers side by side."""
