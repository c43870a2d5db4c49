"""What the volume is made of: exact arithmetic, noise, the scene, and how values are written."""

from __future__ import annotations

import math
from datetime import datetime

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from psalab.demo_volume import pds3
from psalab.demo_volume.arithmetic import Noise, atan2, cos, sin
from psalab.demo_volume.orbits import comet_view, point
from psalab.demo_volume.osiris import comet
from psalab.demo_volume.pds4 import with_prefix
from psalab.demo_volume.scene import Body, render

ANGLES = st.floats(-1e5, 1e5)


@given(ANGLES)
def test_sine_and_cosine_are_those_of_the_library(degrees: float) -> None:
    turned = math.radians(math.fmod(degrees, 360.0))
    assert abs(sin(degrees) - math.sin(turned)) < 1e-14
    assert abs(cos(degrees) - math.cos(turned)) < 1e-11  # to add 90 degrees to 1e5 costs some digits


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_the_arc_tangent_is_that_of_the_library(y: float, x: float) -> None:
    assume(x or y)
    difference = abs(atan2(y, x) - math.degrees(math.atan2(y, x)))
    assert min(difference, abs(difference - 360.0)) < 1e-12


def test_noise_depends_on_seed_and_name_alone() -> None:
    first, again = Noise(1, "a"), Noise(1, "a")
    Noise(1, "b").uniform(10)
    np.testing.assert_array_equal(first.uniform(5), again.uniform(5))
    assert Noise(1, "b").number(0, 1) != Noise(1, "a").number(0, 1) != Noise(2, "a").number(0, 1)


def test_noise_has_the_mean_and_the_spread_that_it_says() -> None:
    values = Noise(3, "many").normal(20_000)
    assert abs(values.mean()) < 0.03
    assert abs(values.std() - 1) < 0.03
    assert {Noise(3, str(number)).integer(2, 4) for number in range(60)} == {2, 3, 4}


def test_less_of_the_body_is_lit_as_the_phase_angle_grows() -> None:
    sphere = Body((2.0, 2.0, 2.0), ())
    lit, phases = [], []
    for hours in (96.0, 168.0, 230.0):
        view = comet_view(hours)
        pointing = point(view, sphere, 0.004)
        sun = view.in_body(view.sun)
        length = math.sqrt(sum(part * part for part in sun))
        image = render(sphere, pointing.camera, (sun[0] / length, sun[1] / length, sun[2] / length), 64, 64)
        disc = 2.0 / math.sqrt(sum(part * part for part in view.spacecraft)) / 0.004
        lit.append((image > 0).sum() / (math.pi * disc * disc))
        phases.append(pointing.phase)
    assert phases == sorted(phases)
    assert lit == pytest.approx([(1 + math.cos(math.radians(phase))) / 2 for phase in phases], abs=0.05)


def test_craters_change_the_light_and_not_the_outline() -> None:
    body = comet(1)
    plain = Body(body.axes, ())
    view = comet_view(0.0)
    sun = view.in_body(view.sun)
    length = math.sqrt(sum(part * part for part in sun))
    ahead = (sun[0] / length, sun[1] / length, sun[2] / length)
    camera = point(view, body, 0.001).camera
    cratered, smooth = render(body, camera, ahead, 48, 48), render(plain, camera, ahead, 48, 48)
    assert 0.9 < (cratered > 0).sum() / (smooth > 0).sum() <= 1.1
    assert np.abs(cratered - smooth).max() > 0.05


def test_sequences_keep_their_brackets_and_break_their_lines() -> None:
    assert pds3.sequence(["0"]) == "(0)"
    lines = pds3.sequence(f"{number:.4f}" for number in range(20)).split("\n")
    assert len(lines) > 2
    assert all(len(line) <= 78 for line in lines)
    assert "".join(lines).count(",") == 19


def test_clocks_count_seconds_and_parts() -> None:
    assert pds3.clock(datetime(2014, 4, 3, 0, 0, 0, 500_000)) == "1/0355104000.32768"


def test_an_attached_label_counts_its_own_records() -> None:
    data = pds3.attached("magnetometer_attached.lbl", 100, b"x" * 250, body="END\n")
    label = data[: data.index(b"x")]
    assert len(label) % 100 == 0
    assert f"LABEL_RECORDS                    = {len(label) // 100}\r\n".encode() in label
    assert f"FILE_RECORDS                     = {len(label) // 100 + 3}\r\n".encode() in label


def test_a_prefix_is_put_before_plain_tags_only() -> None:
    label = '<?xml version="1.0"?><!-- a --><a xmlns="u" xmlns:b="v"><b:c/><d e="f">g</d></a>'
    assert with_prefix(label) == (
        '<?xml version="1.0"?><!-- a --><pds:a xmlns:pds="u" xmlns:b="v"><b:c/><pds:d e="f">g</pds:d></pds:a>'
    )
