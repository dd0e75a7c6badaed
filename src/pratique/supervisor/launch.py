"""What a supervisor is started with: plain values, so that it needs no settings machinery of its own."""

from dataclasses import dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Launch:
    """Handed to `python -m pratique.supervisor` as KEY=VALUE words."""

    directory: Path
    address: str
    build: str
    drain: float = 10.0
    log_size: int = 10 * 1024 * 1024
    log_files: int = 5
    foreground: bool = False
    refresh: float = 86400.0
    """Seconds between two runs of `prepare` while the server runs: it renews certificates."""

    def words(self) -> list[str]:
        return [f"{entry.name}={getattr(self, entry.name)}" for entry in fields(self)]

    @classmethod
    def parse(cls, words: list[str]) -> "Launch":
        """Return what `words` made; raises KeyError or ValueError for anything else."""
        given = dict(word.split("=", 1) for word in words)
        return cls(
            directory=Path(given["directory"]),
            address=given["address"],
            build=given["build"],
            drain=float(given["drain"]),
            log_size=int(given["log_size"]),
            log_files=int(given["log_files"]),
            foreground=given["foreground"] == "True",
            refresh=float(given["refresh"]),
        )
