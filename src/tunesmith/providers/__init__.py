"""Models that answer elsewhere: vendors' chat APIs, any endpoint that speaks OpenAI's, and local ones by the same face.

Owns what is sent, what failures mean, and which answers are kept. Does not own what is asked (the stages).
"""
