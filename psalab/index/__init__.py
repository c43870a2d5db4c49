"""The index: the labels of whole volumes as SQL."""
