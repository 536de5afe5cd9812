"""Writes the tables of docs/annotations.md from the one in the code; the prose around them is written by hand.

python -m tools.annotations_doc
"""

import re
from collections.abc import Sequence
from pathlib import Path

from webhook.annotation_table import TABLE, Annotation, Scope

PAGE = Path(__file__).parents[1] / "docs/annotations.md"
_BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->\n)", re.DOTALL)


def rendered(page: str) -> str:
    """The page with its generated blocks made anew. Raises KeyError on a block that nobody makes."""
    return _BLOCK.sub(lambda block: f"{block[1]}\n{BLOCKS[block[2]]()}\n{block[3]}", page)


def annotations() -> str:
    head = ("key", "value", "default", "on", "example", "what it does")
    return _table(head, [_row(annotation) for annotation in TABLE])


def _row(annotation: Annotation) -> tuple[str, ...]:
    places = ", ".join(scope.value for scope in Scope if annotation.has_meaning(scope))
    key, example = f"`{annotation.key}`", f"`{annotation.example}`"
    return key, annotation.type, annotation.default, places, example, annotation.does


def old_names() -> str:
    rows = [(f"`{old}`", f"`{annotation.key}`") for annotation in TABLE for old in annotation.old_keys]
    return _table(("old name", "is read as"), rows)


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = (head, ("---",) * len(head), *rows)
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |\n" for line in lines)


BLOCKS = {"annotations": annotations, "old_names": old_names}


if __name__ == "__main__":
    PAGE.write_text(rendered(PAGE.read_text()))
