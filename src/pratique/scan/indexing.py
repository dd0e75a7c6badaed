"""From a pushed manifest to facts: each unknown layer is read once, then one transaction writes all that follows.

Reading happens in child processes; nothing here looks into a layer itself.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol

import msgspec
import sqlalchemy as sa

from pratique.core.database import Database, Transaction
from pratique.core.database.prepared import inserts
from pratique.core.jobs.errors import Postpone
from pratique.inventory.service import merge
from pratique.inventory.types import (
    INDEXER_VERSION,
    ExpectedLayer,
    ImageInventory,
    LayerReport,
    NotAssessed,
)
from pratique.registry.service import RegistryService
from pratique.registry.types import BlobSource, ImageSource
from pratique.scan.announce import Announcer, places_of, store_place
from pratique.scan.child import PASSING
from pratique.scan.errors import AdvisoriesMoved, ImageNotAssessable
from pratique.scan.image_checks import ImageCheck, image_checks
from pratique.scan.image_facts import stored_facts
from pratique.scan.image_layers import layers_told
from pratique.scan.layer_memory import LayerMemory
from pratique.scan.layers import (
    MAX_ATTEMPTS,
    begin_reading,
    forget_attempts,
    forgive_reading,
    known_reports,
    store_report,
)
from pratique.scan.matches import Advisories, Judged, check_revision, judge, write_judgements
from pratique.scan.packages import (
    Placed,
    Stored,
    count_unassessed,
    has_unjudged,
    known_set,
    placed,
    store_packages,
    store_set,
    stored_packages,
)
from pratique.scan.tables import images
from pratique.scan.types import ImageState, LayerTold, Place

_CONFIG_LIMIT = 8 * 1024 * 1024
_ROUNDS = 5
_TRIED_AGAIN = frozenset({"reader-died", "reader-closed"})
_INLINE_NEW = 40
"""Packages never judged before that a push may bring and still be judged inside its request."""


class Reader(Protocol):
    """Reads a layer somewhere safe; `scan.child.ReaderPool` is one."""

    def read(self, stream: BinaryIO, media_type: str = "", *, expected: ExpectedLayer | None = None) -> LayerReport: ...


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What the bytes of an image say, and the judgement of those packages that had none."""

    inventory: ImageInventory
    items: tuple[Placed, ...]
    judged: Judged
    checks: tuple[ImageCheck, ...]


class Indexer:
    """Turns images into facts.

    - A layer is read at most once per indexer version; one that ends its reader again and again counts as unreadable.
    - Everything about an image becomes visible in one transaction: packages, matches, findings, decision, gate.
    - Running it again changes nothing.
    """

    def __init__(
        self,
        database: Database,
        registry: RegistryService,
        reader: Reader,
        store: Advisories,
        announcer: Announcer,
        *,
        fingerprint: Callable[[bytes], str] = lambda _digest: "",
    ) -> None:
        self._database = database
        self._registry = registry
        self._reader = reader
        self._store = store
        self._announcer = announcer
        self._fingerprint = fingerprint
        self._memory = LayerMemory()

    def index(
        self,
        place: Place,
        check: Callable[[], None],
        complete: Callable[[Callable[[Transaction], None]], None],
        *,
        again: bool = False,
    ) -> None:
        """Assess an image: read, merge, match; `complete` runs the body that writes it all.

        `check` may raise between two layers; an image that cannot be assessed is written as such.
        """
        if not again and self._database.read(lambda tx: is_assessed(tx, place.digest)):
            complete(lambda tx: self._again(tx, place))
            return
        try:
            source = self._database.read(lambda tx: self._registry.image_source(tx, place.repository_id, place.digest))
            config = self._config(source)
            reports = self._reports(source, check)
            inventory = merge(reports, config)
        except ImageNotAssessable as problem:
            message, remedy = problem.message, problem.remedy
            complete(lambda tx: self.write_problem(tx, place, message, remedy))
            return
        self._write(place, inventory, complete)

    def _write(
        self, place: Place, inventory: ImageInventory, complete: Callable[[Callable[[Transaction], None]], None]
    ) -> None:
        for _ in range(_ROUNDS):
            self._store.refresh()
            prepared = self._database.read(lambda tx: self._prepare(tx, inventory))
            try:
                complete(lambda tx, ready=prepared: self._store_all(tx, place, ready))  # type: ignore[misc]
            except AdvisoriesMoved:
                continue
            return
        raise Postpone("advisory data keeps changing", seconds=2.0)

    def judge_at_push(self, tx: Transaction, place: Place) -> bool:
        """Decide inside the request that pushes, when all that is needed is known already; True if it was done."""
        store_place(tx, place)
        state = _state_and_indexer(tx, place.digest)
        if _counts(state):
            self._announcer.assessed(tx, [place])
            return True
        image = self._known(tx, place, failing=state is not None and state[0] == ImageState.FAILING.value)
        if image is None:
            return False
        inventory, items = image
        stored = stored_packages(tx, [item.key for item in items])
        done = {key for key, package in stored.items() if package.judged}
        if len(items) - len(done) > _INLINE_NEW:
            return False
        if len(done) < len(items):
            self._store.refresh()
        try:
            with tx.savepoint():
                self._store_all(tx, place, self._judge_new(inventory, items, done), stored)
        except AdvisoriesMoved:
            return False
        return True

    def _known(self, tx: Transaction, place: Place, *, failing: bool) -> tuple[ImageInventory, Sequence[Placed]] | None:
        """What an image holds, if each of its layers has been read; a new push lets failed ones be read again."""
        source = self._registry.image_source(tx, place.repository_id, place.digest)
        digests = [layer.digest for layer in source.layers if layer.stored]
        if failing:
            forget_attempts(tx, digests)
        if not digests or len(digests) != len(source.layers):
            return None
        try:
            reports = self._memory.reports(tx, digests)
            return None if reports is None else self._memory.merged(reports, self._config(source))
        except ImageNotAssessable:
            return None

    def read_again(self, tx: Transaction, place: Place) -> None:
        """Let the next `index(again=True)` read those layers again that nobody could read to the end."""
        source = self._registry.image_source(tx, place.repository_id, place.digest)
        forget_attempts(tx, [layer.digest for layer in source.layers])

    def write_failure(self, tx: Transaction, place: Place, problem: str, remedy: str) -> None:
        """Write what has kept an image from being read so far; it counts as not read, and is tried again."""
        self._write_state(tx, place, ImageState.FAILING, problem, remedy)

    def write_problem(self, tx: Transaction, place: Place, problem: str, remedy: str) -> None:
        """Write that an image cannot be assessed, and why."""
        self._write_state(tx, place, ImageState.UNASSESSABLE, problem, remedy)

    def _write_state(self, tx: Transaction, place: Place, state: ImageState, problem: str, remedy: str) -> None:
        store_place(tx, place)
        _store_image(tx, place.digest, state, problem=problem, remedy=remedy)
        self._announcer.assessed(tx, places_of(tx, [place.digest]))

    def _again(self, tx: Transaction, place: Place) -> None:
        """The facts stand; only this place may be new to them."""
        store_place(tx, place)
        self._announcer.assessed(tx, [place])

    def _config(self, source: ImageSource) -> dict[str, Any]:
        if source.config is None:
            raise ImageNotAssessable("it has no configuration", remedy="build and push the image again")
        if not source.config.stored or source.config.size > _CONFIG_LIMIT:
            raise ImageNotAssessable(
                "its configuration is missing or too large", remedy="build and push the image again"
            )
        try:
            with self._registry.open_blob(source.config.digest) as blob:
                decoded = msgspec.json.decode(blob.read(_CONFIG_LIMIT + 1))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise ImageNotAssessable("its configuration is no JSON", remedy="build and push the image again") from error
        if not isinstance(decoded, dict):
            raise ImageNotAssessable("its configuration is no JSON object", remedy="build and push the image again")
        return decoded

    def _reports(self, source: ImageSource, check: Callable[[], None]) -> list[LayerReport]:
        digests = [layer.digest for layer in source.layers]
        known = self._database.read(lambda tx: known_reports(tx, digests))
        for layer in source.layers:
            if layer.digest not in known:
                check()
                known[layer.digest] = self._read(layer)
        return [known[layer.digest] for layer in source.layers]

    def _read(self, layer: BlobSource) -> LayerReport:
        """Read one layer; an answer that says more about the reader than about the bytes is not kept."""
        if not layer.stored:
            return _unread(layer, "a non-distributable layer is not stored in this registry", "foreign-layer")
        if layer.media_type.endswith("+encrypted"):
            # Only this manifest says so: kept as what the bytes hold, it would close other images with this layer.
            return _unread(layer, "the layer is encrypted", "encrypted")
        before = self._database.write(lambda tx: begin_reading(tx, layer.digest, layer.size))
        if before >= MAX_ATTEMPTS:
            return _unread(layer, f"reading it ended without an answer {before} times", "reader-died")
        report = self._ask_reader(layer)
        codes = {problem.code for problem in report.problems}
        if before + 1 < MAX_ATTEMPTS and codes & _TRIED_AGAIN:
            raise Postpone(f"the reader of layer {layer.digest} ended without an answer", seconds=1.0)
        if not codes & PASSING:
            self._database.write(lambda tx: store_report(tx, layer.digest, report))
        return report

    def _ask_reader(self, layer: BlobSource) -> LayerReport:
        """An error around the reader (a full disk, a store that is down) is not the layer's fault: it counts not."""
        try:
            with self._registry.open_blob(layer.digest) as blob:
                expected = ExpectedLayer(digest=layer.digest, size=layer.size)
                return self._reader.read(blob, layer.media_type, expected=expected)
        except Exception:
            self._database.write(lambda tx: forgive_reading(tx, layer.digest))
            raise

    def _prepare(self, tx: Transaction, inventory: ImageInventory) -> _Prepared:
        items = placed(inventory)
        stored = stored_packages(tx, [item.key for item in items])
        return self._judge_new(inventory, items, {key for key, package in stored.items() if package.judged})

    def _judge_new(self, inventory: ImageInventory, items: Sequence[Placed], done: Collection[str]) -> _Prepared:
        new = [item for item in items if item.key not in done]
        judged = judge(self._store, new) if new else Judged(self._store.revision, {}, {})
        return _Prepared(inventory, tuple(items), judged, image_checks(inventory, self._fingerprint))

    def _store_all(
        self, tx: Transaction, place: Place, ready: _Prepared, stored: Mapping[str, Stored] | None = None
    ) -> None:
        """Write all that follows; `stored` is what this transaction has seen of the packages, None: nothing yet."""
        if stored is None:
            store_place(tx, place)
        if stored is None or ready.judged.judgements:
            check_revision(tx, self._store, ready.judged.revision)
        ids = store_packages(tx, ready.items, ready.judged.addresses, stored)
        write_judgements(tx, ids, ready.judged.judgements)
        set_id = self._store_set(tx, ready, ids, seen=stored is not None)
        _store_inventory(tx, place.digest, set_id, ready, ids)
        self._announcer.placed(tx, place.digest, ready.inventory.diff_ids)
        self._announcer.assessed(tx, places_of(tx, [place.digest]))

    def _store_set(self, tx: Transaction, ready: _Prepared, ids: Mapping[str, int], *, seen: bool) -> int:
        known = known_set(tx, ids)
        distro = ready.inventory.distro
        set_id = store_set(tx, distro.key if distro else "", ids) if known is None else known
        if not seen and has_unjudged(tx, set_id):
            raise AdvisoriesMoved("a package was forgotten meanwhile")
        # Of a known set it is counted already, and counted again by whoever judges its packages again.
        if known is None or ready.judged.judgements:
            count_unassessed(tx, [set_id])
        return set_id


def _state_and_indexer(tx: Transaction, digest: str) -> tuple[str, int] | None:
    row = tx.execute(_STATE, {"digest": digest}).one_or_none()
    return None if row is None else (row.state, row.indexer)


_STATE = sa.select(images.c.state, images.c.indexer).where(images.c.digest == sa.bindparam("digest"))


def _counts(state: tuple[str, int] | None) -> bool:
    return state is not None and state[0] != ImageState.FAILING.value and state[1] == INDEXER_VERSION


def is_assessed(tx: Transaction, digest: str) -> bool:
    """True when the image has facts made by this indexer."""
    return _counts(_state_and_indexer(tx, digest))


def _store_inventory(tx: Transaction, digest: str, set_id: int, ready: _Prepared, ids: Mapping[str, int]) -> None:
    blockers = ready.inventory.blockers
    # What is missing in the image may follow from a layer that could not be read: that one is named first.
    said = {(item.what == "image", f"{item.what}: {item.reason}") for item in blockers}
    problem = "; ".join(text for _, text in sorted(said))[:1000]
    _store_image(
        tx,
        digest,
        _state_of(blockers),
        set_id=set_id,
        problem=problem,
        remedy=_remedy(blockers),
        attribution={str(ids[item.key]): [list(spot) for spot in item.places] for item in ready.items},
        layers=layers_told(ready.inventory),
        facts=stored_facts(ready.inventory, ready.checks),
    )


def _store_image(
    tx: Transaction,
    digest: str,
    state: ImageState,
    *,
    set_id: int | None = None,
    problem: str = "",
    remedy: str = "",
    attribution: Mapping[str, Any] | None = None,
    layers: Sequence[LayerTold] = (),
    facts: Mapping[str, Any] | None = None,
) -> None:
    values = {
        "digest": digest,
        "state": state.value,
        "set_id": set_id,
        "indexer": INDEXER_VERSION,
        "problem": problem,
        "remedy": remedy,
        "attribution": msgspec.json.encode(dict(attribution or {})).decode(),
        "layers": msgspec.json.encode(layers).decode(),
        "facts": dict(facts or {}),
        "assessed_at": tx.now,
    }
    tx.execute(_STORE[tx.dialect], values)


_STORE = inserts(
    images,
    lambda insert: insert.on_conflict_do_update(
        index_elements=[images.c.digest],
        set_={column.name: insert.excluded[column.name] for column in images.c if column.name != "digest"},
    ),
)


def _state_of(blockers: Sequence[NotAssessed]) -> ImageState:
    if not blockers:
        return ImageState.ASSESSED
    return ImageState.FAILING if any(item.code in PASSING for item in blockers) else ImageState.UNASSESSABLE


def _remedy(blockers: Sequence[NotAssessed]) -> str:
    codes = {item.code for item in blockers}
    if not codes:
        return ""
    if codes & PASSING:
        return "push it again, or read it again with `pratique registry rescan`; the reason may have passed"
    if "foreign-layer" in codes:
        return "push the image with its non-distributable layers"
    return "build the image again with a current tool and push it; the reason says what could not be read"


def _unread(layer: BlobSource, reason: str, code: str) -> LayerReport:
    problem = NotAssessed(what=f"layer {layer.digest}", reason=reason, code=code, scope="layer")
    return LayerReport(digest=layer.digest, diff_id="", size=layer.size, problems=(problem,))
