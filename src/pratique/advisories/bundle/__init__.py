"""Signed bundles: advisory data for a network without one, and the starter data that ships with the program."""
