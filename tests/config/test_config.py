from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from psalab import config
from psalab.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text('index = "night.duckdb"\njobs = 3\nvolumes = ["/mnt/*", "~/private"]\n')
    return path


def environment(file: Path, **more: str) -> dict[str, str]:
    return {"PSALAB_CONFIG": str(file), **more}


def test_without_a_file_the_defaults_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "default_file", lambda: tmp_path / "nothing.toml")
    settings = config.load({})
    assert settings.index == config.Setting("index", None, "default")
    assert settings.jobs.value >= 1
    assert settings.volumes.value == ("/media/data/*", "/data/user/*")
    assert {setting.origin for setting in settings} == {"default"}


def test_the_default_file_lies_in_the_users_configuration_folder() -> None:
    assert config.default_file().name == "config.toml"
    assert config.default_file().parent.name == "psalab"


def test_a_file_is_read_and_its_relative_paths_start_from_it(file: Path) -> None:
    settings = config.load(environment(file))
    assert settings.index == config.Setting("index", file.parent / "night.duckdb", str(file))
    assert settings.jobs == config.Setting("jobs", 3, str(file))
    assert settings.volumes.value == ("/mnt/*", str(Path("~/private").expanduser()))


def test_the_environment_wins_over_the_file(file: Path) -> None:
    settings = config.load(environment(file, PSALAB_JOBS="8", PSALAB_VOLUMES="/a:/b", PSALAB_INDEX="x.duckdb"))
    assert settings.jobs == config.Setting("jobs", 8, "environment variable PSALAB_JOBS")
    assert settings.volumes.value == ("/a", "/b")
    assert settings.index.value == Path.cwd() / "x.duckdb"


def test_an_argument_wins_over_everything_and_none_is_no_argument(file: Path) -> None:
    settings = config.load(environment(file, PSALAB_JOBS="8"), jobs=1, index=None)
    assert settings.jobs == config.Setting("jobs", 1, "argument")
    assert settings.index.origin == str(file)


def test_an_empty_variable_says_nothing(file: Path) -> None:
    assert config.load(environment(file, PSALAB_JOBS="")).jobs.origin == str(file)


def test_other_variables_of_psalab_are_left_alone(file: Path) -> None:
    assert config.load(environment(file, PSALAB_SHARED="/somewhere")).jobs.value == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("jobs = 0", "jobs = 0: expected a number of processes, 1 or more"),
        ("jobs = true", "jobs = True: expected a number of processes, 1 or more"),
        ("jobs = 1.5", "jobs = 1.5: expected a number of processes, 1 or more"),
        ('jobs = "many"', "jobs = 'many': expected a number of processes, 1 or more"),
        ("index = 7", "index = 7: expected the path of an index"),
        ('index = ""', "index = '': expected the path of an index"),
        ("volumes = [1]", "volumes = [1]: expected a list of folders"),
        ("volumes = {a = 1}", "volumes = {'a': 1}: expected a list of folders"),
        ("job = 2", "no setting is called 'job'; did you mean 'jobs'?"),
        ("colour = 2", "no setting is called 'colour'; there are index, jobs, volumes"),
        ("jobs = ", "not TOML: Invalid value (at end of document)"),
    ],
)
def test_a_mistake_in_the_file_is_told_with_the_file(file: Path, text: str, message: str) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        config.load(environment(file))
    assert str(caught.value) == f"{file}: {message}"


def test_a_file_that_is_no_text_is_told(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="not TOML"):
        config.load(environment(file))


def test_a_mistake_in_the_environment_is_told_with_the_variable(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        config.load(environment(file, PSALAB_JOBS="-2"))
    assert str(caught.value) == (
        "environment variable PSALAB_JOBS: jobs = '-2': expected a number of processes, 1 or more"
    )


def test_a_mistake_in_an_argument_is_told() -> None:
    with pytest.raises(ConfigError, match="argument: no setting is called 'jbos'; did you mean 'jobs'"):
        config.load({"PSALAB_CONFIG": ""}, jbos=2)


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing\.toml: no such file; PSALAB_CONFIG names it"):
        config.load(environment(tmp_path / "nothing.toml"))


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        config.load(environment(tmp_path))


def test_a_setting_cannot_be_changed(file: Path) -> None:
    settings = config.load(environment(file))
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.jobs = config.Setting("jobs", 5, "argument")  # type: ignore[misc]
