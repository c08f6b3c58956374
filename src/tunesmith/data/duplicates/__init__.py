"""Rows that repeat others: equal, alike, of one meaning, or an item of an evaluation."""
