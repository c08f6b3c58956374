"""How close the rows of train are to a target domain, and what becomes of those that are far from it."""
