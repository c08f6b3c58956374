"""What clients may tune, and what their names for it stand for.

A name that a client sends is never a path: it is looked up, among what the operator allows, what is released, and what
is in the workspace. Does not own the settings (`recipe.jobs`) nor the names of tuned models (`tuned`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tunesmith.core.errors import ArtifactError
from tunesmith.providers.hosted import hosted_model
from tunesmith.serve.errors import ApiError, bad_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tunesmith.core.artifacts import Artifact, Workspace
    from tunesmith.recipe import Serve
    from tunesmith.serve.catalog import Catalog

BUNDLED = "nano"


@dataclass(frozen=True, slots=True)
class Base:
    """What a recipe calls a base, and whether it is itself an adapter on another."""

    reference: str
    adapter: bool = False


def bases_of(settings: Serve) -> dict[str, str]:
    """Return what clients may tune besides Models: their names for it to what a recipe calls it."""
    return {BUNDLED: BUNDLED, **settings.jobs.bases} if settings.jobs.at_once else {}


def base_of(name: str, allowed: Mapping[str, str], catalog: Catalog, workspace: Workspace) -> Base:
    """Return the base that a client names.

    Raises:
        ApiError: 400 if it is none that may be tuned.
    """
    if name in allowed or name == BUNDLED:
        reference = allowed.get(name, name)
        known = workspace.find(reference)
        return Base(reference) if known is None else _base_in(known, name)
    try:
        model_id = catalog.find(name).model_id
    except ApiError as error:
        raise _not_allowed(name, [BUNDLED, *allowed, *(one.ref for one in catalog.named())]) from error
    artifact = workspace.find(model_id)
    if artifact is None:
        raise _not_allowed(name, [BUNDLED, *allowed])
    return _base_in(artifact, name)


def _base_in(model: Artifact, name: str) -> Base:
    """Return a Model of the workspace as a base.

    Raises:
        ApiError: 400 if its weights are not here, or nobody can tell because it is damaged.
    """
    try:
        elsewhere = hosted_model(model) is not None
    except ArtifactError as error:
        raise bad_request(f"The model {name!r} is damaged on the server.", "model", "model_not_available") from error
    if elsewhere:
        message = f"The model {name!r} lies at the service that tuned it, so it cannot be fine-tuned here."
        raise bad_request(message, "model", "model_not_available")
    return Base(model.id, (model.path / "model" / "adapter_config.json").exists())


def _not_allowed(name: str, known: list[str]) -> ApiError:
    shown = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")
    message = f"The model {name!r} cannot be fine-tuned here. These can: {shown}, and every Model of the workspace."
    return bad_request(message, "model", "model_not_available")
