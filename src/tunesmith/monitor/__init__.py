"""How a released model does in the world. Reads traffic from the store, changes nothing.

Does not own capture (`serve`) nor what is done about it (`update`).
"""
