"""What every part stands on: artifacts, store, errors, ids, estimates, clock, progress.

Imports nothing else of Tunesmith, and nothing heavier than NumPy and SQLAlchemy.
"""
