"""Serve: models over HTTP, in the form of OpenAI's API.

Owns the gateway (routes, errors, keys, capture) and the engine behind it. Does not own which model a name points at
(`release` moves aliases, `catalog` reads them) nor how text becomes tokens (`text`).
"""
