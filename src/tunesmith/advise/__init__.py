"""What to try next: rules that read a Dataset, a Model and a Scorecard and say what each of them gives a reason for.

A rule is a function from `Evidence` to pieces of `Advice`; adding one: write it in the file of its topic and name it in
that file's ``RULES``. Owns the rules and their order. Does not own what they read: every figure is an artifact's.
"""
