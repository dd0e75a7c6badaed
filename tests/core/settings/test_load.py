from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pratique.core.settings import Settings, SettingsError, find, load, load_with_sources, value_of
from pratique.core.settings.fields import walk


def written(folder: Path, text: str) -> Path:
    file = folder / "pratique.toml"
    file.write_text(text)
    return file


def test_without_file_and_environment_everything_is_a_default(tmp_path: Path) -> None:
    loaded = load_with_sources(None, {"PRATIQUE_DATA__DIRECTORY": str(tmp_path)})
    assert loaded.settings.registry == Settings().registry
    assert set(loaded.sources) == {"data.directory"}
    assert loaded.settings.database_url == f"sqlite:///{tmp_path}/pratique.db"


def test_state_follows_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    assert load(environ={}).data.directory == tmp_path / ".local/state/pratique"
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "elsewhere"))
    assert load(environ={}).data.directory == tmp_path / "elsewhere/pratique"


def test_the_file_in_the_state_folder_is_read_and_the_environment_wins(tmp_path: Path) -> None:
    written(tmp_path, '[registry]\ngate_wait = 5\n[server]\nextra_hosts = ["a.test"]\n')
    environment = {"PRATIQUE_DATA__DIRECTORY": str(tmp_path), "PRATIQUE_SERVER__EXTRA_HOSTS": "b.test, c.test"}
    loaded = load_with_sources(None, environment)
    assert loaded.settings.registry.gate_wait == 5.0
    assert loaded.settings.server.extra_hosts == ("b.test", "c.test")
    assert loaded.sources["registry.gate_wait"] == str(tmp_path / "pratique.toml")
    assert loaded.sources["server.extra_hosts"] == "PRATIQUE_SERVER__EXTRA_HOSTS"


def test_paths_in_a_file_are_relative_to_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, '[server]\ncertificate = "tls/a.pem"\nprivate_key = "/etc/a.key"\n')
    settings = load(file, {})
    assert settings.server.certificate == tmp_path / "tls/a.pem"
    assert settings.server.private_key == Path("/etc/a.key")


@pytest.mark.parametrize(
    ("text", "message", "remedy"),
    [
        ("[registry]\ngate_wiat = 5", "unknown setting 'registry.gate_wiat'", "registry.gate_wait"),
        ("[regsitry]\ngate_wait = 5", "unknown setting 'regsitry.gate_wait'", "registry.gate_wait"),
        ("qqqq = 1", "unknown setting 'qqqq'", "config show"),
        ('[registry]\ngate_wait = "5"', "expected a number", "explain registry.gate_wait"),
        ("[registry]\ngate_wait = true", "expected a number", "explain"),
        ("[registry]\ngate_wait = -1", "expected at least 0 seconds", "explain"),
        ("[registry]\ngate_wait = nan", "expected at most", "explain"),
        ("[server]\nport = 70000", "expected at most 65535", "explain"),
        ("[server]\nport = 1.5", "expected a whole number", "explain"),
        ('[blobs]\nstore = "tape"', "expected one of disk, s3", "explain"),
        ('[blobs]\nstore = "s3"', "blobs.bucket is empty", "blobs.bucket"),
        ('[server]\ncertificate = "a.pem"', "belong together", "both"),
        ('[server]\nextra_hosts = "a"', "expected a list of texts", "explain"),
        ('[database]\nurl = "mysql://x"', "postgresql://", "explain"),
        ("registry = 5", "unknown setting 'registry'", ""),
        ("a = [", "is not TOML", ""),
        ("\x00", "is not TOML", ""),
    ],
)
def test_what_is_wrong_in_a_file_is_named_with_place_and_remedy(
    tmp_path: Path, text: str, message: str, remedy: str
) -> None:
    file = written(tmp_path, text)
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    assert message in caught.value.message
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        ("PRATIQUE_REGISTRY__GATE_WAT", "5", "unknown environment variable"),
        ("PRATIQUE_REGISTRY__GATE_WAIT", "soon", "expected a number"),
        ("PRATIQUE_TRUST__HOLD_UNRATED", "perhaps", "expected true or false"),
        ("PRATIQUE_CONFIG", "/nowhere/pratique.toml", "there is no settings file"),
    ],
)
def test_what_is_wrong_in_the_environment_is_named(variable: str, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        load(None, {variable: text})


def test_a_file_that_is_no_settings_file_is_refused_before_it_is_parsed(tmp_path: Path) -> None:
    file = written(tmp_path, "# " + "x" * (1024 * 1024))
    with pytest.raises(SettingsError, match="larger than 1 MiB"):
        load(file, {})


@given(st.text(max_size=40))
def test_any_text_for_a_number_gives_a_number_or_a_clear_error(text: str) -> None:
    try:
        port = load(None, {"PRATIQUE_SERVER__PORT": text}).server.port
    except SettingsError as error:
        said = error.message
    else:
        said = "PRATIQUE_SERVER__PORT" if port in range(65536) else ""
    assert "PRATIQUE_SERVER__PORT" in said


def test_every_setting_is_documented_and_its_default_is_within_its_own_bounds() -> None:
    for entry in walk(Settings):
        notes = entry.notes
        assert notes.doc.endswith("."), entry.key
        assert len(notes.doc) > 15, entry.key
        if isinstance(entry.default, int | float) and not isinstance(entry.default, bool):
            assert notes.minimum is not None, f"{entry.key} has no least value"
            assert notes.minimum <= entry.default <= (notes.maximum or entry.default), entry.key
        if notes.choices:
            assert entry.default in notes.choices


def test_a_setting_is_found_by_its_key(tmp_path: Path) -> None:
    assert find("registry.gate_wait").variable == "PRATIQUE_REGISTRY__GATE_WAIT"
    assert value_of(Settings(), "registry.gate_wait") == 20.0
    with pytest.raises(SettingsError) as caught:
        find("registry.wait")
    assert "registry.gate_wait" in caught.value.remedy
