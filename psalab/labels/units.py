"""Units: one spelling for each, and what a number in one unit is in another.

Labels write ``deg``, ``DEG``, ``DEGREE`` and ``DEGREES``, or ``W/m**2/sr/nm`` and ``W m-2 sr-1 nm-1``. Only what is
known here is changed; every other unit keeps its spelling. The case of SI symbols matters (``mA`` and ``MA``, ``mm``
and ``Mm``): a spelling in upper case is taken for another one only where it can mean nothing else.
"""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final, NamedTuple

__all__ = ["conversion", "exact_conversion", "normalise"]

MAX_LENGTH: Final = 100


class _Unit(NamedTuple):
    """A unit that may stand alone or with prefixes."""

    symbol: str
    size: Fraction
    dimensions: dict[str, int]
    words: tuple[str, ...]
    prefixes: str = ""


_PI: Final = Fraction("3.14159265358979323846264338327950288")
_PREFIXES: Final = {
    "p": ("pico", Fraction(1, 10**12)),
    "n": ("nano", Fraction(1, 10**9)),
    "u": ("micro", Fraction(1, 10**6)),
    "m": ("milli", Fraction(1, 1000)),
    "c": ("centi", Fraction(1, 100)),
    "h": ("hecto", Fraction(100)),
    "k": ("kilo", Fraction(1000)),
    "M": ("mega", Fraction(10**6)),
    "G": ("giga", Fraction(10**9)),
}
_ANY: Final = "pnumkMG"

_ONE: Final = Fraction(1)
_UNITS: Final = (
    _Unit("m", _ONE, {"m": 1}, ("meter", "metre"), _ANY + "c"),
    _Unit("g", Fraction(1, 1000), {"kg": 1}, ("gram",), "umk"),
    _Unit("s", _ONE, {"s": 1}, ("second", "sec"), _ANY),
    _Unit("K", _ONE, {"K": 1}, ("kelvin", "degree kelvin", "deg kelvin", "degk"), "mu"),
    _Unit("degC", _ONE, {"K": 1}, ("degc", "celsius", "deg c", "degree c", "degree celsius", "deg celsius")),
    _Unit("A", _ONE, {"A": 1}, ("ampere", "amp"), _ANY),
    _Unit("rad", _ONE, {"rad": 1}, ("radian", "rad"), "num"),
    _Unit("deg", _PI / 180, {"rad": 1}, ("degree", "deg")),
    _Unit("arcmin", _PI / 10800, {"rad": 1}, ("arcminute", "arcmin")),
    _Unit("arcsec", _PI / 648000, {"rad": 1}, ("arcsecond", "arcsec"), "m"),
    _Unit("mas", _PI / 648000000, {"rad": 1}, ()),
    _Unit("sr", _ONE, {"rad": 2}, ("steradian",), "um"),
    _Unit("Hz", _ONE, {"s": -1}, ("hertz",), "mkMG"),
    _Unit("N", _ONE, {"kg": 1, "m": 1, "s": -2}, ("newton",), "umk"),
    _Unit("J", _ONE, {"kg": 1, "m": 2, "s": -2}, ("joule",), "numkM"),
    _Unit("W", _ONE, {"kg": 1, "m": 2, "s": -3}, ("watt",), _ANY),
    _Unit("Pa", _ONE, {"kg": 1, "m": -1, "s": -2}, ("pascal",), "numhkMG"),
    _Unit("bar", Fraction(100000), {"kg": 1, "m": -1, "s": -2}, ("bar",), "m"),
    _Unit("V", _ONE, {"kg": 1, "m": 2, "s": -3, "A": -1}, ("volt",), _ANY),
    _Unit("Ohm", _ONE, {"kg": 1, "m": 2, "s": -3, "A": -2}, ("ohm",), "mkMG"),
    _Unit("T", _ONE, {"kg": 1, "s": -2, "A": -1}, ("tesla",), "pnum"),
    _Unit("eV", Fraction("1.602176634e-19"), {"kg": 1, "m": 2, "s": -2}, ("electronvolt", "electron volt"), "mkMG"),
    _Unit("min", Fraction(60), {"s": 1}, ("minute",)),
    _Unit("h", Fraction(3600), {"s": 1}, ("hour", "hr")),
    _Unit("d", Fraction(86400), {"s": 1}, ("day",)),
    _Unit("AU", Fraction(149597870700), {"m": 1}, ("astronomical unit", "au")),
    _Unit("Angstrom", Fraction(1, 10**10), {"m": 1}, ("angstrom",)),
    _Unit("%", Fraction(1, 100), {}, ("percent",)),
    _Unit("bit", _ONE, {"bit": 1}, ("bit",), "kMG"),
    _Unit("byte", Fraction(8), {"bit": 1}, ("byte",), "kMG"),
    _Unit("pixel", _ONE, {"pixel": 1}, ("pixel", "pix"), "M"),
    _Unit("count", _ONE, {"count": 1}, ("count",)),
    _Unit("DN", _ONE, {"DN": 1}, ("dn", "data number")),
    _Unit("electron", _ONE, {"electron": 1}, ("electron",)),
    _Unit("photon", _ONE, {"photon": 1}, ("photon",)),
)
#: Upper case that PDS3 writes for a symbol, where no other SI symbol is meant (``MA``, ``MW``, ``MHZ`` may be mega).
_UPPER: Final = {
    **{symbol.upper(): symbol for symbol in ("m", "km", "cm", "mm", "nm", "um", "s", "ms", "kg", "sr", "nT", "min")},
    **{symbol.upper(): symbol for symbol in ("Hz", "kHz", "GHz", "eV", "keV", "kV", "kW", "kPa", "hPa", "Ohm", "mrad")},
    "Km": "km",
    "w": "W",
    "hz": "Hz",
    "khz": "kHz",
}
_WORDS: Final = {"micron": "um", "msec": "ms", "usec": "us", "nsec": "ns"}
#: What looks like factors but is none: not applicable is not newton per ampere.
_NO_UNITS: Final = frozenset({"N/A", "n/a", "NA"})


def _tables() -> tuple[dict[str, str], dict[str, str], dict[str, tuple[Fraction, dict[str, int]]]]:
    """Symbols as they are written, words in lower case, and the size and dimensions of each symbol."""
    symbols, words, sizes = dict(_UPPER), dict(_WORDS), {}
    for unit in _UNITS:
        for prefix in ("", *unit.prefixes):
            prefix_word, factor = _PREFIXES[prefix] if prefix else ("", _ONE)
            symbol = prefix + unit.symbol
            symbols[symbol] = symbol
            sizes[symbol] = (factor * unit.size, unit.dimensions)
            words |= {prefix_word + word: symbol for word in unit.words}
            if prefix == "u":
                symbols["micro" + unit.symbol] = symbol  # as PDS4 writes microA
    return symbols, words, sizes


_SYMBOLS, _NAMES, _SIZES = _tables()

_TOKEN: Final = re.compile(
    r"""(?P<name>  [^\W\d]+ | % )
        (?: \s*(?:\*\*|\^)\s*(?P<open>\()?(?P<power>[+-]?\d{1,2})(?(open)\)) | (?P<bare>[+-]?\d{1,2}) )?
      | (?P<one>   \A1(?=\s*/) )
      | (?P<mark>  [/()] | \s*[*.\u00b7](?!\*)\s* | \s+ )""",
    re.VERBOSE,
)
#: Micro (two characters look alike), degree, Angstrom.
_LETTERS: Final = {0xB5: "u", 0x3BC: "u", 0xB0: "deg", 0xC5: "Angstrom"}
#: Wavelengths and frequencies that a quantity is per, which people write last.
_SPECTRAL: Final = frozenset({"nm", "um", "Angstrom", "Hz", "kHz", "MHz", "GHz", "eV", "keV"})


@lru_cache(maxsize=4096)
def normalise(unit: str) -> str:
    """Give the one spelling of a unit.

    Parameters
    ----------
    unit : str
        As a label or a person writes it.

    Returns
    -------
    str
        ``deg``, ``km``, ``W m-2 sr-1 nm-1``; what is not known comes back stripped and otherwise unchanged.
    """
    powers = _powers(unit)
    if powers is None:
        return unit.strip()
    return " ".join(symbol if power == 1 else f"{symbol}{power}" for symbol, power in powers)


def conversion(unit: str, wanted: str) -> tuple[float, float] | None:
    """Give factor and offset: a number x in one unit is ``factor * x + offset`` in the other.

    Returns
    -------
    tuple of (float, float) or None
        None where there is no way, or where one of the units is not known here.
    """
    exact = exact_conversion(unit, wanted)
    return None if exact is None else (float(exact[0]), float(exact[1]))


@lru_cache(maxsize=4096)
def exact_conversion(unit: str, wanted: str) -> tuple[Fraction, Fraction] | None:
    """Give factor and offset like `conversion`, as exact fractions (700 ms are 0.7 s, not 0.7000000000000001 s)."""
    if normalise(unit) == normalise(wanted):
        return _ONE, Fraction(0)
    own, other = _size(unit), _size(wanted)
    if own is None or other is None or own[1] != other[1]:
        return None
    factor = own[0] / other[0]
    return factor, (_zero(unit) - _zero(wanted)) / other[0]


def _size(unit: str) -> tuple[Fraction, dict[str, int]] | None:
    """Size in SI units, and the dimensions."""
    powers = _powers(unit)
    if powers is None:
        return None
    size, dimensions = _ONE, dict[str, int]()
    for symbol, power in powers:
        size *= _SIZES[symbol][0] ** power
        for dimension, times in _SIZES[symbol][1].items():
            dimensions[dimension] = dimensions.get(dimension, 0) + times * power
    return size, {dimension: power for dimension, power in dimensions.items() if power}


def _zero(unit: str) -> Fraction:
    """Where the scale begins, in kelvin; only a temperature, not one in a quotient, has another zero."""
    return Fraction("273.15") if _powers(unit) == (("degC", 1),) else Fraction(0)


@lru_cache(maxsize=4096)
def _powers(unit: str) -> tuple[tuple[str, int], ...] | None:
    """Read ``unit = ["1"] factor {["*" | "." | "/"] factor}``, ``factor = name [["**"] power] | "(" unit ")"``."""
    text = unit.strip()
    if text in _NO_UNITS or len(text) > MAX_LENGTH:
        return None
    text = text.translate(_LETTERS)
    if whole := _symbol(text):
        return ((whole, 1),)
    powers: dict[str, int] = {}
    outer, sign, pos = [1], 1, 0
    while pos < len(text):
        token = _TOKEN.match(text, pos)
        if token is None:
            return None
        pos = token.end()
        mark = (token["mark"] or "").strip()
        if token["name"]:
            symbol = _symbol(token["name"])
            if symbol is None:
                return None
            power = int(token["power"] or token["bare"] or 1)
            powers[symbol] = powers.get(symbol, 0) + outer[-1] * sign * power
            sign = 1
        elif mark == "/" and sign == 1:
            sign = -1
        elif mark == "(":
            outer.append(outer[-1] * sign)
            sign = 1
        elif mark == ")" and len(outer) > 1 and sign == 1:
            outer.pop()
        elif mark in ("/", ")"):
            return None
    if len(outer) > 1 or sign < 0 or not any(powers.values()):
        return None
    return tuple(sorted(((symbol, power) for symbol, power in powers.items() if power), key=_order))


def _symbol(name: str) -> str | None:
    """Give the symbol of one unit, by symbol or by word, singular or plural."""
    if name in _SYMBOLS:
        return _SYMBOLS[name]
    word = " ".join(re.split(r"[ _]+", name.lower()))
    return _NAMES.get(word) or _NAMES.get(re.sub(r"s\b", "", word, count=1))


def _order(factor: tuple[str, int]) -> tuple[bool, int, bool, str]:
    """Put what is multiplied first, then what is divided by: areas, angles, and wavelengths last."""
    symbol, power = factor
    return power < 0, min(0, power), symbol in _SPECTRAL, symbol
