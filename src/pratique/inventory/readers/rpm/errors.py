"""What can be wrong with an rpm database."""


class BrokenDatabase(ValueError):  # noqa: N818 - a verdict on the bytes, caught by the reader
    """The bytes are not what the format says; the message says where."""
