"""The data that ships with the program, so that a first start is useful without a network. Labelled wherever shown."""

from pratique.advisories.starter.load import open_starter

__all__ = ["open_starter"]
