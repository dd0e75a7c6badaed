"""Brings what is stored to what the settings say about encryption: rewritten, or wrapped by the newest key."""
