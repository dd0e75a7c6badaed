"""A search over findings: a term is resolved in small tables, and only findings that can match are read.

Where few findings match they are looked up; where many do, the list is walked in its order, and has a page soon.
"""

from collections.abc import Callable

import sqlalchemy as sa

from pratique.core.database import Transaction
from pratique.core.findings.tables import findings, rule_names
from pratique.recommendations import records, words
from pratique.recommendations.tables import recommendation_words, recommendations

MANY = 10_000
"""Matches from which walking finds a page sooner than sorting them."""

Column = Callable[[sa.ColumnElement[str]], sa.ColumnElement[str]]


def matching(tx: Transaction, search: str) -> list[sa.ColumnElement[bool]]:
    """Return the conditions that a finding has every term: in a number, its package, action or repository."""
    terms = words.terms_of(search)
    counted = [(_count(tx, term), term) for term in terms]
    rarest = min(counted, default=(MANY + 1, ""))
    conditions: list[sa.ColumnElement[bool]] = []
    for count, term in counted:
        if count <= MANY and (count, term) == rarest:
            conditions.append(findings.c.id.in_(_candidates(tx, term)))
        else:
            conditions.append(sa.or_(*_ways(tx, term, _without_index)))
    return conditions


def _count(tx: Transaction, term: str) -> int:
    """Return how many findings match, at most one more than MANY; one that matches in two ways may count twice."""
    found = _candidates(tx, term).limit(MANY + 1).subquery()
    return int(tx.execute(sa.select(sa.func.count()).select_from(found)).scalar_one())


def _candidates(tx: Transaction, term: str) -> sa.CompoundSelect[int]:
    ways = _ways(tx, term, lambda column: column)
    return sa.union_all(*(sa.select(findings.c.id).where(records.OPEN, way) for way in ways))


def _without_index(column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
    """Keep the engine from looking up by this column: the order of the list is the better way in."""
    return sa.func.coalesce(column, "", type_=sa.Text)


def _ways(tx: Transaction, term: str, of: Column) -> list[sa.ColumnElement[bool]]:
    column = findings.c
    ways: list[sa.ColumnElement[bool]] = []
    names = sa.or_(*(words.begins(rule_names.c.name, name) for name in _spellings(term)))
    if tx.execute(sa.select(rule_names.c.rule).where(names).limit(1)).first() is not None:
        ways.append(of(column.rule).in_(sa.select(rule_names.c.rule).where(names)))
    else:
        stored, known = recommendations.alias(), recommendation_words
        named = sa.exists().where(known.c.action == stored.c.action, words.begins(known.c.word, term))
        place = sa.func.lower(column.location, type_=sa.Text).contains(term, autoescape=True)
        ways.append(sa.and_(of(column.action).in_(sa.select(stored.c.action).where(named)), place))
    stored = recommendations.alias()
    titled = sa.func.lower(stored.c.action + " " + stored.c.title).contains(term, autoescape=True)
    ways.append(of(column.action).in_(sa.select(stored.c.action).where(titled)))
    if term.startswith("vg-"):
        ways.append(words.begins(of(column.rule), term))
    lineages = words.lineages_of(tx, term)
    if len(lineages) > words.FEW:
        ways.append(words.repository(column.lineage).contains(term, autoescape=True))
    elif lineages:
        ways.append(of(column.lineage).in_(lineages))
    return ways


def _spellings(term: str) -> set[str]:
    """Return how databases write a number: CVE in capitals, GHSA with a small tail."""
    head, dash, tail = term.partition("-")
    return {term, term.upper(), head.upper() + dash + tail}
