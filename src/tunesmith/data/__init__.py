"""Raw files to a Dataset: read, check, clean, redact, de-duplicate, split, report.

Nothing is dropped without a row in ``removed.parquet`` that says where it came from, which rule dropped it and on
what evidence. Does not own how text becomes tokens (`text`) nor what is learnt from it (`train`).
"""
