"""Steps that bring an older store's tables up to date, run by `core.store` when it opens one."""
