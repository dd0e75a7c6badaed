"""Making clients on this machine trust the server's certificate: one plan of written files and commands per client."""

from pratique.cli.trusting.plan import Plan, Step
from pratique.cli.trusting.targets import TARGETS, Target, Trust

__all__ = ["TARGETS", "Plan", "Step", "Target", "Trust"]
