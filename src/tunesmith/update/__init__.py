"""The next version of a model, from what its users corrected.

Owns which traffic becomes Examples and the recipe of the update. Does not own running it: `flow` does, as any run.
"""
