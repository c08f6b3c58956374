"""Whether Bedrock tunes a base today: asked of the service, told with its dates and the way out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tunesmith.providers.bedrock_models import ENDED, without_window
from tunesmith.providers.hosted import Availability
from tunesmith.providers.lifecycle import Life
from tunesmith.providers.said import WAY_OUT, day_of

if TYPE_CHECKING:
    from tunesmith.providers.aws import Client

_SHOWN = 8
_PROFILE = re.compile(r"^(us|eu|apac|jp|au|ca|sa|us-gov|global)\.")
"""What the id of an inference profile has before its model's."""


def available(bedrock: Client, base: str) -> Availability:
    """Ask whether a base is tuned in the client's region.

    Raises:
        AwsError: if the service refuses or cannot be reached.
    """
    if ":custom-model/" in base:
        return Availability("unknown", "whether a model that was tuned is tuned again, Bedrock only says when asked to")
    region, name = bedrock.made.meta.region_name, base.rsplit("/", 1)[-1]
    tuned = list(bedrock.listed("list_foundation_models", "modelSummaries", byCustomizationType="FINE_TUNING"))
    found = next((one for one in tuned if one["modelId"] == name), None)
    if found is not None:
        return _by_life(found, name, region)
    shown = list(bedrock.listed("list_foundation_models", "modelSummaries"))
    other = next((one for one in shown if without_window(one["modelId"]) == without_window(name)), None)
    if other is not None:
        return _not_tuned(other, name, region, tuned)
    return _gone(name, region)


def life_of(bedrock: Client, model: str) -> Life:
    """Return how long a foundation model, or an inference profile of one, goes on answering; of a tuned one nothing is
    told.

    Raises:
        AwsError: if the service refuses or cannot be reached.
    """
    if ":custom-model/" in model or ":provisioned-model/" in model:
        return Life("unknown")
    name = _PROFILE.sub("", without_window(model.rsplit("/", 1)[-1]))
    shown = list(bedrock.listed("list_foundation_models", "modelSummaries"))
    found = next((one for one in shown if without_window(one["modelId"]) == name), None)
    if found is None:
        return Life("gone", ENDED.get(name))
    life = found.get("modelLifecycle", {})
    return Life("deprecated" if life.get("status") == "LEGACY" else "active", day_of(life.get("endOfLifeTime")))


def _by_life(found: dict[str, Any], name: str, region: str) -> Availability:
    life = found.get("modelLifecycle", {})
    legacy, ends = day_of(life.get("legacyTime")), day_of(life.get("endOfLifeTime"))
    until = f"; its end of life is {ends}, and that of models tuned from it" if ends else ""
    if life.get("status", "ACTIVE") == "LEGACY":
        sentence = (
            f"{name} is LEGACY in {region}{f' since {legacy}' if legacy else ''}: it still answers, but AWS neither "
            f"tunes it nor sells throughput for it any more{until}; {WAY_OUT}"
        )
        return Availability("legacy", sentence, legacy, ends)
    return Availability("tunable", f"{name} is tuned in {region}{until}", legacy, ends)


def _not_tuned(other: dict[str, Any], name: str, region: str, tuned: list[dict[str, Any]]) -> Availability:
    names = sorted(one["modelId"] for one in tuned if one.get("modelLifecycle", {}).get("status") == "ACTIVE")
    life = other.get("modelLifecycle", {})
    if life.get("status") == "LEGACY":
        return _by_life(other, name, region)
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    can = f"tuned there are {', '.join(names[:_SHOWN])}{more}" if names else "no model is tuned there"
    return Availability("unavailable", f"{name} is in {region}, but not to be tuned: {can}; {WAY_OUT}")


def _gone(name: str, region: str) -> Availability:
    ended = ENDED.get(without_window(name))
    if ended is not None:
        sentence = f"{name} reached its end of life on {ended}: AWS has taken it away, and tunes made of it; {WAY_OUT}"
        return Availability("ended", sentence, ends_on=ended)
    sentence = (
        f"{name} is not in {region}: it has reached its end of life, after which AWS tells nothing of a model, or is "
        f"only in other regions (provider.region); {WAY_OUT}"
    )
    return Availability("ended", sentence)
