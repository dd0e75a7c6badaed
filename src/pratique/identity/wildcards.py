"""Patterns with `*` for any characters, and where asked for `?` for one; never more work than length by length."""


def fits(pattern: str, text: str, *, question: bool = False) -> bool:
    """Whether a whole text fits a pattern; goes back to the last `*` only, so no pattern can make it slow."""
    at = place = 0
    star, retry = -1, 0
    while place < len(text):
        sign = pattern[at] if at < len(pattern) else ""
        if sign == "*":
            star, retry = at, place
            at += 1
        elif sign and (sign == text[place] or (question and sign == "?")):
            at, place = at + 1, place + 1
        elif star >= 0:
            retry += 1
            at, place = star + 1, retry
        else:
            return False
    return not pattern[at:].strip("*")
