"""Settings: one TOML file and the environment, parsed once into frozen values."""

from pratique.core.settings.load import (
    Loaded,
    SettingsError,
    find,
    load,
    load_with_sources,
    value_of,
    with_directory,
)
from pratique.core.settings.schema import Settings, default_state_directory

__all__ = [
    "Loaded",
    "Settings",
    "SettingsError",
    "default_state_directory",
    "find",
    "load",
    "load_with_sources",
    "value_of",
    "with_directory",
]
