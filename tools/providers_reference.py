"""Write the table in ``docs/providers.md`` from the code: what each provider makes of each setting of a recipe.

python tools/providers_reference.py
"""

from __future__ import annotations

from pathlib import Path

from tunesmith.providers.capability_table import TABLE, Cell

PAGE = Path(__file__).parent.parent / "docs" / "providers.md"
BEGIN = "<!-- from here on by tools/providers_reference.py -->"


def main() -> None:
    """Write the page anew."""
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


def page(old: str) -> str:
    """Return a page with its table as the code has it; what stands before the table is kept."""
    return old.split(BEGIN)[0] + BEGIN + "\n\n" + table()


def table() -> str:
    """Return the table in Markdown."""
    rows = [f"| `{setting}` | {' | '.join(map(_told, cells))} |" for setting, cells in TABLE.items()]
    return "\n".join(
        ["| setting | local | OpenAI, Azure | Bedrock (Claude, Nova, Llama) |", "|---|---|---|---|", *rows, ""]
    )


def _told(cell: Cell) -> str:
    instead = f" → {cell.instead}" if cell.instead and cell.instead != "leave it out" else ""
    return f"**{cell.how}**" + (f": {cell.why}" if cell.why else "") + instead if cell.how != "honoured" else (
        f"honoured: {cell.why}" if cell.why else "honoured"
    )  # fmt: skip


if __name__ == "__main__":
    main()
