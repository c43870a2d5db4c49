"""The question: a frozen tree of conditions, and the text that people write for it."""

from psalab.query.conditions import (
    And,
    Between,
    Boolean,
    Compare,
    Condition,
    In,
    IsNull,
    Like,
    Not,
    Number,
    Or,
    Text,
    Time,
)
from psalab.query.grammar import parse, to_text

__all__ = [
    "And",
    "Between",
    "Boolean",
    "Compare",
    "Condition",
    "In",
    "IsNull",
    "Like",
    "Not",
    "Number",
    "Or",
    "Text",
    "Time",
    "parse",
    "to_text",
]
