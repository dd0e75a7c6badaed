"""What `pratique doctor` looks at: one module per subject, each a list of checks that never raise."""

from pratique.cli.diagnosis.clients import CLIENT_CHECKS
from pratique.cli.diagnosis.host import HOST_CHECKS
from pratique.cli.diagnosis.result import Check, Result, State
from pratique.cli.diagnosis.server import SERVER_CHECKS

CHECKS: tuple[Check, ...] = (*HOST_CHECKS, *SERVER_CHECKS, *CLIENT_CHECKS)

__all__ = ["CHECKS", "Check", "Result", "State"]
