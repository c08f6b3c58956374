"""Programs that a model or a recipe wrote, run where they can do no harm.

Owns the promise: a program run here reaches no network, starts no process, sends no signal, changes no file but in its
own folder, reads none but Python's, sees no environment variable, and is ended when it takes more time, memory or disk
than it may. Linux alone can promise that; elsewhere nothing is run.
"""
