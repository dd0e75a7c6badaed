"""Events for the outside: CloudEvents 1.0, durable, with positions that only grow, readable again for days."""

from pratique.core.cloudevents.log import EventLog
from pratique.core.cloudevents.types import Filter, LoggedEvent, OutwardType

__all__ = ["EventLog", "Filter", "LoggedEvent", "OutwardType"]
