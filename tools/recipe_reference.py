"""Write ``docs/recipe.md`` from the recipe's own declarations: every setting, its default, its reason.

python tools/recipe_reference.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_origin

from pydantic_core import PydanticUndefined

from tunesmith.recipe import Later, Recipe, Section

PAGE = Path(__file__).parent.parent / "docs" / "recipe.md"
INTRO = """# Recipe

One YAML file (or `tunesmith.Recipe(...)` in Python) says everything. It is strict: an unknown key is an error that names
the line and the nearest key. Settings marked *later* are part of the language already; setting them is an error until
their engine is here. This page is written by `tools/recipe_reference.py`.

```yaml
name: support-triage
task: classify                # classify | extract | chat
base: nano                    # or a folder, a Hugging Face name, a Model's id
data:
  train: tickets.csv
  columns: {input: text, target: intent}
```
"""


def main() -> None:
    """Write the page."""
    PAGE.write_text(reference(), encoding="utf-8")


def reference() -> str:
    """Return the page's text."""
    return INTRO + "\n" + "".join(_section(Recipe, ""))


def _section(section: type[Section], prefix: str) -> list[str]:
    title = prefix.rstrip(".") or "top level"
    parts = [f"\n## {title}\n\n{_first(section)}\n\n| setting | default | |\n|---|---|---|\n"]
    inner: list[str] = []
    for name, info in section.model_fields.items():
        later = any(isinstance(mark, Later) for mark in info.metadata)
        nested = None if later else _nested(info.annotation)
        note = "*later*" if later else ""
        if nested:
            key = ".NAME" if get_origin(info.annotation) is dict else ""
            inner += _section(nested, f"{prefix}{name}{key}.")
            note = f"[below](#{(prefix + name).replace('.', '')})" if info.is_required() else "see below"
        parts.append(f"| `{prefix}{name}` | {_default(info)} | {'; '.join(filter(None, (info.description, note)))} |\n")
    return parts + inner


def _nested(annotation: Any) -> type[Section] | None:
    """Return the section a setting holds, or may hold."""
    kinds = [annotation, *getattr(annotation, "__args__", ())]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section)), None)


def _first(section: type[Section]) -> str:
    return (section.__doc__ or "").strip().splitlines()[0]


def _default(info: Any) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True)
    if isinstance(value, Section) or value is PydanticUndefined:
        return ""
    return f"`{value!r}`".replace("'", "").replace("None", "null").replace("True", "true").replace("False", "false")


if __name__ == "__main__":
    main()
