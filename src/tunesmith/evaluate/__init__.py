"""Does tuning pay, and is the model good enough? A Model and a Dataset in, a Scorecard out.

Owns metrics, baselines, paired comparisons, the gate and the scorecard's page. Does not own intervals
(`core.estimates`) nor promotion (`release`).
"""
