"""Noise in single rows: what is mended, and what is judged, rule by rule."""
