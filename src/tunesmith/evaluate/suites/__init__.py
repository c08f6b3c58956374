"""Suites: what a test split cannot tell. Each asks every system on rows of its own, and can stop a release.

A suite is a module with ``ask`` (a model in memory to a JSON-able record) and ``look`` (records to `Findings`). Which
there are and what they measure: `names`. Who is asked when: `run`.
"""
