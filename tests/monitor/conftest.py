from stores import store, store_url  # noqa: F401
