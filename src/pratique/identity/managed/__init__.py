"""Managed identities: principals without a credential of their own, whose tokens an agent gets for workloads."""
