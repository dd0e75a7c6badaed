"""When advisories change: the packages they speak of are judged again, and only images that have them are touched.

No image is read. Everything is written in pieces, and each piece says what is still to be done, so that a worker may
end at any point: `scan_changes`, `scan_dirty_packages` and `scan_dirty_sets` hold what waits, JUDGED the revision to
start from.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from pratique.core.database import Database, Transaction
from pratique.core.database.prepared import ignoring
from pratique.core.ids import new_id
from pratique.scan.announce import Announcer, places_of
from pratique.scan.matches import (
    CURRENT,
    JUDGED,
    Advisories,
    Judgement,
    is_notable,
    is_starter,
    judge,
    match_records,
    set_revision,
    stored_records,
    stored_revision,
    write_judgements,
)
from pratique.scan.packages import addressed, chunks, count_unassessed, load_packages
from pratique.scan.tables import changes, dirty_packages, dirty_sets, images, packages, set_members
from pratique.scan.types import Place

Check = Callable[[], None]
Progress = Callable[[int, int, str], None]
MANY_RULES = 100
"""Alias groups in one change above which all findings of an image are written anew."""
_PACKAGES = 200
_SETS = 2000
_FORGOTTEN = 500
"""Rows that name a set, in the first of several transactions."""


@dataclass(frozen=True, slots=True)
class Rejudged:
    """What a run came to."""

    packages: int = 0
    changed: int = 0
    images: int = 0


class Rejudger:
    """Brings every stored judgement to the newest advisory data.

    - An image whose packages' answers did not change is not touched.
    - What a run that was cut short left undone, the next run does.
    """

    def __init__(self, database: Database, store: Advisories, announcer: Announcer) -> None:
        self._database = database
        self._store = store
        self._announcer = announcer

    def run(self, check: Check = lambda: None, progress: Progress = lambda _done, _total, _note: None) -> Rejudged:
        """Judge again whatever changed since the last full run; `check` may raise between two pieces."""
        self._store.refresh()
        target, starter = self._store.revision, is_starter(self._store)
        base = self._database.write(lambda tx: _begin(tx, target, starter=starter))
        wanted = [] if base == target else self._wanted(base, target)
        changed = 0
        change = new_id()
        for number, ids in enumerate(chunks(wanted, _PACKAGES)):
            check()
            progress(number * _PACKAGES, len(wanted), "judging packages")
            changed += self._judge(ids, change)
        self._database.write(lambda tx: set_revision(tx, JUDGED, target, starter=starter))
        return Rejudged(len(wanted), changed, self.spread(check, progress))

    def spread(self, check: Check, progress: Progress) -> int:
        """Bring findings and decisions of images up to changed packages; returns how many were touched."""
        self._note_dirty_sets(check)
        done = 0
        while (waiting := self._database.read(_next_change)) is not None:
            check()
            done += self._spread_some(waiting)
            progress(done, done + 1, "images")
        return done

    def _note_dirty_sets(self, check: Check) -> None:
        """Note the sets of changed packages in pieces: of a package that all images have there are many."""
        while (found := self._database.read(_next_packages)) is not None:
            check()
            change, ids, sets = found
            self._database.in_batches(sets, lambda tx, part, to=change: _note_sets(tx, to, part), first=_FORGOTTEN)  # type: ignore[misc]
            self._database.write(lambda tx, of=change, done=ids: _noted(tx, of, done))  # type: ignore[misc]

    def _wanted(self, base: str, target: str) -> list[int]:
        change = self._store.changes(base, target)
        if change.everything:
            return self._database.read(
                lambda tx: list(tx.execute(sa.select(packages.c.id).order_by(packages.c.id)).scalars())
            )
        return self._database.read(lambda tx: addressed(tx, sorted(change.packages)))

    def _judge(self, ids: Sequence[int], change: str) -> int:
        held, before, gaps = self._database.read(
            lambda tx: (load_packages(tx, ids), stored_records(tx, ids), _gaps(tx, ids))
        )
        keys = {item.key: identity for identity, item in held.items()}
        judged = judge(self._store, list(held.values()))
        moved = {
            key: item
            for key, item in judged.judgements.items()
            if match_records(item) != before[keys[key]] or item.not_assessed != gaps[keys[key]]
        }
        for part in chunks(moved.items(), 10):
            what = dict(part)
            rules = _rules_moved(what, keys, before)
            coverage = any(item.not_assessed != gaps[keys[key]] for key, item in what.items())
            gates = coverage or _gates_moved(what, keys, before)
            self._database.write(
                lambda tx, what=what, rules=rules, gates=gates, coverage=coverage: _note(  # type: ignore[misc]
                    tx, change, keys, what, rules, gates=gates, coverage=coverage
                )
            )
        return len(moved)

    def _spread_some(self, waiting: "_Waiting") -> int:
        where = self._database.read(lambda tx: places_of(tx, _images_of(tx, waiting.sets)))
        # A repository's images share findings: side by side, each finding is written once.
        where.sort(key=lambda place: (place.repository, place.digest))
        if waiting.coverage:
            self._database.in_pieces(list(chunks(waiting.sets, 50)), count_unassessed)
        self._database.in_batches(where, lambda tx, part: self._touch(tx, waiting, part))
        self._database.in_batches(waiting.sets, lambda tx, part: _forget(tx, waiting.change, part), first=_FORGOTTEN)
        self._database.write(lambda tx: _end(tx, waiting.change))
        return len(where)

    def _touch(self, tx: Transaction, waiting: "_Waiting", where: Sequence[Place]) -> None:
        if waiting.rules is None or waiting.coverage:
            self._announcer.assessed(tx, where)
            return
        self._announcer.patched(tx, where, waiting.rules)
        if waiting.gates:
            self._announcer.decide(tx, where)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Sets of packages whose images are still to be brought up to one change."""

    change: str
    rules: tuple[str, ...] | None
    gates: bool
    coverage: bool
    sets: tuple[int, ...]


def _begin(tx: Transaction, target: str, *, starter: bool) -> str:
    """Make `target` the revision of all new answers; return the one by which all packages were judged."""
    base, _ = stored_revision(tx, JUDGED)
    set_revision(tx, CURRENT, target, starter=starter)
    return base


def _gaps(tx: Transaction, ids: Sequence[int]) -> dict[int, str | None]:
    rows = tx.execute(sa.select(packages.c.id, packages.c.not_assessed).where(packages.c.id.in_(ids)))
    return {row.id: row.not_assessed for row in rows}


_Before = Mapping[int, Mapping[str, Mapping[str, object]]]


def _rules_moved(moved: Mapping[str, Judgement], keys: Mapping[str, int], before: _Before) -> set[str]:
    found: set[str] = set()
    for key, item in moved.items():
        old, new = before[keys[key]], match_records(item)
        found.update(rule for rule in old.keys() | new.keys() if old.get(rule) != new.get(rule))
    return found


def _gates_moved(moved: Mapping[str, Judgement], keys: Mapping[str, int], before: _Before) -> bool:
    """True when something that a policy asks about differs; a new score or date does not."""
    for key, item in moved.items():
        old, new = before[keys[key]], match_records(item)
        if any(_gate_view(old.get(rule)) != _gate_view(new.get(rule)) for rule in old.keys() | new.keys()):
            return True
    return False


def _gate_view(record: Mapping[str, object] | None) -> tuple[object, ...] | None:
    if record is None or not is_notable(record):
        return None
    return record["exploited"], record["fix"], record["clears"], record["severity"]


def _note(
    tx: Transaction,
    change: str,
    keys: Mapping[str, int],
    moved: Mapping[str, Judgement],
    rules: Collection[str],
    *,
    gates: bool,
    coverage: bool,
) -> None:
    """Write judgements, and in the same transaction which sets of packages they concern."""
    write_judgements(tx, keys, moved)
    row = tx.execute(sa.select(changes).where(changes.c.id == change)).one_or_none()
    if row is None:
        values = {"rules": _bounded(rules), "gates": gates, "coverage": coverage}
        tx.execute(sa.insert(changes).values(id=change, **values))
    else:
        values = {
            "rules": None if row.rules is None else _bounded({*row.rules, *rules}),
            "gates": row.gates or gates,
            "coverage": row.coverage or coverage,
        }
        tx.execute(sa.update(changes).where(changes.c.id == change).values(**values))
    rows = [{"change_id": change, "package_id": keys[key]} for key in moved]
    tx.execute(_DIRTY_PACKAGE[tx.dialect], rows)


_DIRTY_PACKAGE = ignoring(dirty_packages)


def _bounded(rules: Iterable[str]) -> list[str] | None:
    kept = sorted(rules)
    return kept if len(kept) <= MANY_RULES else None


def _next_packages(tx: Transaction) -> tuple[str, list[int], list[int]] | None:
    """Return a change, some of its packages whose sets are not noted yet, and those sets."""
    change = tx.execute(sa.select(sa.func.min(dirty_packages.c.change_id))).scalar()
    if change is None:
        return None
    chosen = sa.select(dirty_packages.c.package_id).where(dirty_packages.c.change_id == change)
    ids = list(tx.execute(chosen.limit(_PACKAGES)).scalars())
    sets = sa.select(set_members.c.set_id).where(set_members.c.package_id.in_(ids)).distinct()
    return change, ids, sorted(tx.execute(sets).scalars())


def _noted(tx: Transaction, change: str, ids: Sequence[int]) -> None:
    c = dirty_packages.c
    tx.execute(sa.delete(dirty_packages).where(c.change_id == change, c.package_id.in_(ids)))


def _note_sets(tx: Transaction, change: str, sets: Sequence[int]) -> None:
    tx.execute(_DIRTY_SET[tx.dialect], [{"change_id": change, "set_id": identity} for identity in sets])


_DIRTY_SET = ignoring(dirty_sets)


def _next_change(tx: Transaction) -> _Waiting | None:
    row = tx.execute(sa.select(changes).order_by(changes.c.id).limit(1)).one_or_none()
    if row is None:
        return None
    chosen = sa.select(dirty_sets.c.set_id).where(dirty_sets.c.change_id == row.id).order_by(dirty_sets.c.set_id)
    sets = tuple(tx.execute(chosen.limit(_SETS)).scalars())
    rules = None if row.rules is None else tuple(row.rules)
    return _Waiting(row.id, rules, bool(row.gates), bool(row.coverage), sets)


def _images_of(tx: Transaction, sets: Sequence[int]) -> list[str]:
    return list(tx.execute(sa.select(images.c.digest).where(images.c.set_id.in_(sets))).scalars())


def _forget(tx: Transaction, change: str, sets: Sequence[int]) -> None:
    c = dirty_sets.c
    tx.execute(sa.delete(dirty_sets).where(c.change_id == change, c.set_id.in_(sets)))


def _end(tx: Transaction, change: str) -> None:
    """Forget a change of which nothing waits any more."""
    left = sa.exists().where(dirty_sets.c.change_id == change)
    tx.execute(sa.delete(changes).where(changes.c.id == change, sa.not_(left)))
