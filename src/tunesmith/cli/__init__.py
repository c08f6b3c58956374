"""The command line: one file per verb; each parses, calls `flow`, prints. Nothing is decided here."""
