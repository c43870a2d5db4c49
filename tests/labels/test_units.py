"""Units: one spelling for each, and conversion."""

from fractions import Fraction

import pytest
from astropy import units as astropy_units
from hypothesis import given
from hypothesis import strategies as st

from psalab.labels import units
from psalab.labels.units import conversion, exact_conversion, normalise


@pytest.mark.parametrize(
    ("spellings", "unit"),
    [
        (["deg", "DEG", "DEGREE", "DEGREES", "degrees", "Deg", " deg ", "°"], "deg"),
        (["km", "KM", "Km", "KILOMETER", "kilometers", "KILOMETRES"], "km"),
        (["K", "KELVIN", "kelvin", "DEGREES KELVIN"], "K"),
        (["s", "S", "SEC", "SECOND", "SECONDS", "sec"], "s"),
        (["ms", "MS", "MSEC", "MILLISECOND", "milliseconds"], "ms"),
        (["micron", "MICRON", "microns", "um", "UM", "µm", "μm", "MICROMETER", "micrometers"], "um"),
        (["degC", "DEGC", "CELSIUS", "DEGREES C", "degrees celsius", "deg_C", "°C"], "degC"),
        (["mA", "MILLIAMPERE", "milliamperes"], "mA"),
        (["uA", "microA"], "uA"),
        (["AU", "au", "ASTRONOMICAL_UNIT", "ASTRONOMICAL UNITS"], "AU"),
        (["pixel", "PIXELS", "pix", "PIX"], "pixel"),
        (["BYTE", "bytes"], "byte"),
        (["DN", "dn", "DATA NUMBER", "DATA_NUMBER"], "DN"),
        (["nT", "NT", "NANOTESLA"], "nT"),
        (["m/s", "M/S", "m s-1", "m*s**-1", "m.s^-1", "METERS/SECOND"], "m s-1"),
        (["KM/SEC/SEC", "km s**-2", "km/s**2"], "km s-2"),
        (["1/cm", "cm**-1", "CM^-1"], "cm-1"),
        (["km**3s**-2", "km**3/s**2"], "km3 s-2"),
        (["m/pixel", "M/PIX", "METERS/PIXEL"], "m pixel-1"),
        (
            ["W/m**2/sr/nm", "W m-2 sr-1 nm-1", "W/(m**2*sr*nm)", "W/(m^2 nm sr)", "WATT*M**-2*SR**-1*NM**-1",
             "W.m**-2.sr**-1.nm**-1", "W/M**2/SR/NM", "W / (m**2 nanometer sr)", "w/m**2/nm/sr"],
            "W m-2 sr-1 nm-1",
        ),
    ],
)  # fmt: skip
def test_spellings_of_one_unit_become_one(spellings: list[str], unit: str) -> None:
    assert {normalise(spelling) for spelling in spellings} == {unit}


@pytest.mark.parametrize("unit", ["mA", "MA", "mm", "Mm", "mS", "Ms", "MHz", "mW", "MW", "MHZ", "MEV", "h", "H", "C"])
def test_the_case_of_si_symbols_is_kept(unit: str) -> None:
    assert normalise(unit) == unit


@pytest.mark.parametrize(
    "unit",
    ["N/A", "NA", "lbs", "LOCALDAY/24", "{{unit}}", "DIMENSIONLESS", "DEGREES NORTH", "julian day", "counts/bin", "m/",
     "/", "(m", "m)", "m//s", "1", "km/km", "m**", "RAW_INSTRUMENT_COUNT", "WATTS/METER**2-STERADIAN", "m" * 200],
)  # fmt: skip
def test_what_is_not_known_keeps_its_spelling(unit: str) -> None:
    assert normalise(f" {unit} ") == unit
    assert conversion(unit, "m") is None


@given(st.text(alphabet="mskKWdegC/*()-12 ._^N", max_size=20))
def test_normal_spelling_is_a_fixed_point(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@pytest.mark.parametrize(
    ("unit", "wanted", "change"),
    [
        ("ms", "s", (0.001, 0)),
        ("SECONDS", "ms", (1000, 0)),
        ("AU", "km", (149597870.7, 0)),
        ("degC", "K", (1, 273.15)),
        ("K", "degC", (1, -273.15)),
        ("KM/PIXEL", "m/pixel", (1000, 0)),
        ("W/m**2/sr/micron", "W m-2 sr-1 nm-1", (0.001, 0)),
        ("byte", "bit", (8, 0)),
        ("deg", "DEGREES", (1, 0)),
        ("no unit", "no unit", (1, 0)),
        ("km", "K", None),
        ("m/pixel", "m", None),
        ("no unit", "m", None),
    ],
)
def test_conversion(unit: str, wanted: str, change: tuple[float, float] | None) -> None:
    assert conversion(unit, wanted) == change


def test_exact_conversion_keeps_decimals() -> None:
    assert exact_conversion("ms", "s") == (Fraction(1, 1000), Fraction(0))
    assert float(700 * Fraction(1, 1000)) == 0.7 != 700 * 0.001


@pytest.mark.parametrize("symbol", sorted(set(units._SIZES) - {"degC"}))
def test_the_sizes_are_those_of_astropy(symbol: str) -> None:
    """An independent table of the same units."""
    size, dimensions = units._SIZES[symbol]
    in_base = astropy_units.Unit(" ".join(f"{name}{power}" for name, power in dimensions.items()))
    assert astropy_units.Unit(symbol).to(in_base) == pytest.approx(float(size), rel=1e-12)
