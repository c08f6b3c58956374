"""Search over the settings of a recipe: many runs of the ring, and the one that validation prefers.

Stands above `flow`, which runs the ring once.
"""
