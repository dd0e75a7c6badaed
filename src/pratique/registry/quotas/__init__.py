"""How much a part of the registry may hold, counted without a hot row."""
