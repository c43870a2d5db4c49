"""A figure: what was measured, and what it is to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Figure"]


@dataclass(frozen=True, slots=True)
class Figure:
    """One number.

    Attributes
    ----------
    what : str
        In words, the reference included.
    reached : float
    unit : str
        ``x`` for ratios.
    bar, goal : float, optional
        What must be met, and what is aimed for; None for a number that stands for information alone.
    more : bool
        Whether more is better.
    note : str
        What the number was made of.
    """

    what: str
    reached: float
    unit: str
    bar: float | None = None
    goal: float | None = None
    more: bool = False
    note: str = ""

    @property
    def met(self) -> Literal["goal", "bar", "no", ""]:
        """The better of bar and goal that was met."""
        if self.goal is not None and self._at_least(self.goal):
            return "goal"
        if self.bar is None:
            return ""
        return "bar" if self._at_least(self.bar) else "no"

    def _at_least(self, aim: float) -> bool:
        return self.reached >= aim if self.more else self.reached <= aim
