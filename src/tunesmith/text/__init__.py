"""Where text becomes tokens: examples, the task's prompt, the chat template, the loss mask, redaction.

Nobody else touches a chat template. Does not own weights (`models`) nor files of raw rows (`data`).
"""
