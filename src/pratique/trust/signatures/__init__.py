"""Signatures and attestations: read, verified, explained. Pure: no database, no network."""
