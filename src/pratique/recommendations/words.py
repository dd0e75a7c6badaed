"""By which words an action is found, and the conditions of a search: small tables answer it, never all findings."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.recommendations.narrowing import LIKE_LIMIT
from pratique.recommendations.tables import (
    recommendation_items,
    recommendation_lineages,
    recommendation_words,
    recommendations,
)

TERMS = 6
"""Words of a search that are looked at."""

LONGEST = 120
SHORTEST = 2
PARTS = 6
FEW = 200
"""Lineages whose items are read one by one; of more, each action asks whether it has any."""

LAST = chr(0x10FFFD)
"""Sorts after every character that a word holds."""

_BREAKS = re.compile(r"[^a-z0-9]+")


def terms_of(search: str) -> tuple[str, ...]:
    """Return the words of a search in lower case, each once."""
    return tuple(dict.fromkeys(search.lower()[:LIKE_LIMIT].split()))[:TERMS]


def words_of(texts: Iterable[str]) -> set[str]:
    """Return what can be searched for in the words of items: names and numbers, each also from its later parts on."""
    found: set[str] = set()
    for word in {word for text in texts for word in text.split()}:
        found |= _from_parts(_plain(word))
    return found


def _plain(word: str) -> str:
    """Return the package name of a package URL, and any other word as it is."""
    if not word.startswith("pkg:"):
        return word
    return word.removeprefix("pkg:").partition("?")[0].partition("#")[0].partition("/")[2].partition("@")[0] or word


def _from_parts(word: str) -> set[str]:
    if word.startswith("vg-"):
        return {word[:LONGEST]}
    begins = [0, *(match.end() for match in _BREAKS.finditer(word))]
    parts = (word[begin : begin + LONGEST] for begin in (begins[0], *begins[1:][-PARTS:]))
    return {part for part in parts if len(part) >= SHORTEST}


def store(tx: Transaction, wanted: Mapping[str, Collection[str]]) -> None:
    """Make `wanted` the words of these actions, writing only what differs."""
    table = recommendation_words
    stored: dict[str, set[str]] = {action: set() for action in wanted}
    for row in tx.execute(sa.select(table).where(table.c.action.in_(sorted(wanted)))):
        stored[row.action].add(row.word)
    gone = [{"old_action": a, "old_word": w} for a, known in stored.items() for w in sorted(known - set(wanted[a]))]
    new = [{"action": a, "word": w} for a, known in stored.items() for w in sorted(set(wanted[a]) - known)]
    if gone:
        place = table.c.action == sa.bindparam("old_action"), table.c.word == sa.bindparam("old_word")
        tx.execute(table.delete().where(*place), gone)
    if new:
        tx.execute(table.insert(), new)


def of_items(tx: Transaction, actions: Sequence[str]) -> dict[str, set[str]]:
    """Return the words that the items of these actions hold now."""
    items = recommendation_items
    query = sa.select(items.c.action, items.c.words).where(items.c.action.in_(actions)).distinct()
    texts: dict[str, set[str]] = {action: set() for action in actions}
    for row in tx.execute(query):
        texts[row.action].add(row.words)
    return {action: words_of(found) for action, found in texts.items()}


def matching(tx: Transaction, action: sa.ColumnElement[str], search: str) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that an action has every term in its title, its words or its repositories."""
    return [sa.or_(*_ways(tx, action, term)) for term in terms_of(search)]


def _ways(tx: Transaction, action: sa.ColumnElement[str], term: str) -> list[sa.ColumnElement[bool]]:
    stored, words = recommendations.alias(), recommendation_words
    named = sa.func.lower(stored.c.action + " " + stored.c.title).contains(term, autoescape=True)
    ways = [
        action.in_(sa.select(stored.c.action).where(named)),
        sa.exists().where(words.c.action == action, begins(words.c.word, term)),
    ]
    lineages = lineages_of(tx, term)
    items = recommendation_items.alias()
    if len(lineages) > FEW:
        ways.append(
            sa.exists().where(items.c.action == action, repository(items.c.lineage).contains(term, autoescape=True))
        )
    elif lineages:
        ways.append(action.in_(sa.select(items.c.action).where(items.c.lineage.in_(lineages))))
    return ways


def lineages_of(tx: Transaction, term: str) -> list[str]:
    """Return lineages with a term in their name, at most one more than FEW."""
    column = recommendation_lineages.c.lineage
    query = sa.select(column).where(repository(column).contains(term, autoescape=True)).limit(FEW + 1)
    return list(tx.execute(query).scalars())


def repository(lineage: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Return a lineage as people name it, in lower case."""
    return sa.func.lower(sa.func.replace(lineage, "registry/", "", type_=sa.Text), type_=sa.Text)


def begins(column: sa.ColumnElement[str], term: str) -> sa.ColumnElement[bool]:
    """Return the condition that a column begins with a term, as a range that an index serves."""
    return sa.and_(column >= term, column < term + LAST)
