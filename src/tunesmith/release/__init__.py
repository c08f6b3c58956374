"""Release: names that point at models, moved only through a gate, and back.

Owns aliases and their history. Does not own the gate's verdict (`evaluate`) nor answering requests (`serve`).
"""
