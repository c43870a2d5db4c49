"""The demonstration volume: synthetic products of both standards, the same on every machine.

`write_volume` writes it and returns a `DemoVolume`, the account of what is there and what is wrong on purpose. Nothing
in it has been measured; every label says SYNTHETIC.
"""

from __future__ import annotations

from psalab.demo_volume.summary import BrokenLabel, DemoVolume, WrittenLabel
from psalab.demo_volume.volume import SEED, write_volume

__all__ = ["SEED", "BrokenLabel", "DemoVolume", "WrittenLabel", "write_volume"]
