"""Texts of labels and documents, with fields in braces as `str.format` fills them."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["template"]


@cache
def template(name: str) -> str:
    """Text of a template, by its path in this folder."""
    return files(__package__).joinpath(name).read_text(encoding="utf-8")
