"""Weights: load, save, adapters, dropout, generate, score.

Knows weights, knows no data: everything here takes and returns token ids.
"""
