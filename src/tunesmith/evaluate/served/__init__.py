"""Is what users get over HTTP what the scorecard measured? Some test rows are asked again, as a client asks.

Owns which rows, what is compared with what, and what it means for the gate. Does not own how they are asked
(`tunesmith.as_served`, handed in by `flow`).
"""
