"""Weights: load, save, adapters, dropout, generate, score.

Knows weights, knows no data: everything here takes and returns token ids.
"""

import logging

logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # PEFT imports it, and it then asks for a package of kernels
