"""One loop that turns a base and a Dataset into a Model.

`stage` makes the artifact; `loop` is the loop; the rest are its parts, one idea each. Does not own how text becomes
tokens (`text`), nor whether the result is any good (`evaluate`).
"""
