"""Labels of both standards: text to one lossless tree."""

from psalab.labels.find import read_label
from psalab.labels.label import Block, Keyword, Label

__all__ = ["Block", "Keyword", "Label", "read_label"]
