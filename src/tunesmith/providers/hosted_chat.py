"""A Model that lies at a service, as something to ask: the settings of its chat, or of its base's.

Owns how ``hosted.json`` becomes a `Service`. Does not own asking (`chat`) nor tuning (`hosted`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tunesmith.providers.hosted import HostedModel

_APIS = {"openai": "openai", "azure": "openai", "bedrock": "bedrock"}
_KEYS = {"openai": "OPENAI_API_KEY", "azure": "AZURE_OPENAI_API_KEY"}
"""Where a key lies that the recipe does not name: where tuning looked for it, also with a base_url."""


def chat_settings(hosted: HostedModel, model: str | None = None) -> dict[str, Any]:
    """Return the settings of a `Service` (or of a rival) that asks a hosted Model; ``model`` asks another one there.

    Only what is known of it: limits, prices and retries are the caller's.
    """
    where = {"base_url": hosted.base_url, "key_env": hosted.key_env or _KEYS.get(hosted.service)}
    known = {name: value for name, value in where.items() if value is not None}
    return {"api": _APIS[hosted.service], "model": model or hosted.model, **known, **hosted.options}
