"""Search for the words around an example: prompts compared on validation, the winner reported on other rows.

Stands above `flow`, whose Datasets and Models it asks; nothing is trained.
"""
