"""Instructions that a program can check: the 25 kinds of IFEval, in checkers of our own.

Source: Zhou et al. 2023, "Instruction-following evaluation for large language models" (arXiv 2311.07911).
"""
