"""The protocol of collection as a small machine whose every interleaving can be walked.

One digest, two repositories, clients that each go through a script, a clock that moves in ticks, and the collector, which
may die before any of its steps. A step is a transaction, or one act on the store, as in the real code. `dropped` names
rules that the machine is to forget: without any one of them some walk must break an invariant.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

LEASE = 2
"""Ticks of a lease; HEAD promises half of it."""
AGE = 1
UPLOAD_LIFE = 2
LAST_TICK = 4
RULES = (
    "lease",
    "ask-again-links",
    "ask-again-blobs",
    "claim",
    "suspicion",
    "look-again",
    "renew-only-what-is-there",
)
END = "end"


class Client(NamedTuple):
    pc: str
    promise: int = -1
    """Until then what this client was told must hold."""
    found: Any = None


class State(NamedTuple):
    now: int
    store: frozenset[str]
    blob: tuple[str, ...] | None
    upload: tuple[tuple[str, ...], int] | None
    links: tuple[tuple[int, int] | None, ...]
    """Per repository: how many manifests name the blob, and its lease."""
    doomed: frozenset[tuple[str, str, int]]
    clients: tuple[Client, ...]
    collector: tuple[str, Any]
    runs: int
    deaths: int
    fault: str = ""


@dataclass(frozen=True)
class Script:
    """What one client does: the first step, its repository and the segment that it writes."""

    first: str
    repository: int = 0
    segment: str = ""


def initial(scripts: Sequence[Script], *, runs: int = 2, deaths: int = 1, linked: bool = False) -> State:
    """Nothing there; or, when `linked`, a blob that a manifest of the first repository names, its lease long over."""
    return State(
        now=0,
        store=frozenset({"old"} if linked else ()),
        blob=("old",) if linked else None,
        upload=None,
        links=((1, -1) if linked else None, None),
        doomed=frozenset(),
        clients=tuple(Client(script.first) for script in scripts),
        collector=("uploads?", None),
        runs=runs,
        deaths=deaths,
    )


class Machine:
    """Knows which steps a state allows and what each leads to."""

    def __init__(self, scripts: Sequence[Script], dropped: Sequence[str] = ()) -> None:
        self.scripts = tuple(scripts)
        self.dropped = frozenset(dropped)

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """Yield the name of each step that may come next, and the state after it."""
        if state.fault:
            return
        for number, client in enumerate(state.clients):
            if client.pc != END:
                yield f"{number}:{client.pc}", self._client(state, number)
        if state.now < LAST_TICK:
            yield "tick", state._replace(now=state.now + 1)
        if state.runs:
            yield f"c:{state.collector[0]}", self._checked(self._collect(state))
            if state.deaths and state.collector[0] != "uploads?":
                yield "c:dies", state._replace(collector=("uploads?", None), deaths=state.deaths - 1)

    def _client(self, state: State, number: int) -> State:
        script = self.scripts[number]
        step: Callable[[State, int, Script], State] = getattr(self, f"_do_{state.clients[number].pc}")
        return self._checked(step(state, number, script))

    # -- clients ------------------------------------------------------------------------------------------------------

    def _do_write(self, state: State, number: int, script: Script) -> State:
        return _go(state, number, "finish")._replace(store=state.store | {script.segment})

    def _do_finish(self, state: State, number: int, script: Script) -> State:
        state, refused = self._claim(state, (script.segment,))
        if refused:
            return _go(state, number, "drop")
        return self._blob(state, number, script, (script.segment,))

    def _do_drop(self, state: State, number: int, script: Script) -> State:
        return _go(state, number, END)._replace(store=state.store - {script.segment})

    def _do_spare(self, state: State, number: int, script: Script) -> State:
        """The bytes lay here already: remove one's own."""
        return _go(state, number, "manifest")._replace(store=state.store - {script.segment})

    def _do_begin(self, state: State, number: int, script: Script) -> State:
        return _go(state, number, "append")._replace(store=state.store | {script.segment})

    def _do_append(self, state: State, number: int, script: Script) -> State:
        state, refused = self._claim(state, (script.segment,))
        if refused:
            return _go(state, number, "drop")
        return _go(state, number, "complete")._replace(upload=((script.segment,), state.now + UPLOAD_LIFE))

    def _do_complete(self, state: State, number: int, script: Script) -> State:
        if state.upload is None:
            return _go(state, number, END)
        state, refused = self._claim(state, state.upload[0])
        if refused:
            return state._replace(fault="a segment of a living upload was condemned")
        return self._blob(state._replace(upload=None), number, script, (script.segment,))

    def _do_manifest(self, state: State, number: int, script: Script) -> State:
        link, promise = state.links[script.repository], state.clients[number].promise
        if link is None:
            fault = "a blob went before the time that its client was promised" if state.now < promise else ""
            return _go(state, number, END)._replace(fault=fault)
        return _link(_go(state, number, END), script.repository, (link[0] + 1, state.now + LEASE))

    def _do_head(self, state: State, number: int, script: Script) -> State:
        link = state.links[script.repository]
        if link is None:
            return _go(state, number, END)
        if link[1] - state.now >= LEASE // 2:
            return _go(state, number, "manifest", state.now + LEASE // 2)
        return _go(state, number, "renew")

    def _do_renew(self, state: State, number: int, script: Script) -> State:
        link = state.links[script.repository]
        if link is None and "renew-only-what-is-there" not in self.dropped:
            return _go(state, number, END)
        named = link[0] if link else 0
        state = _link(state, script.repository, (named, state.now + LEASE))
        return _go(state, number, "manifest", state.now + LEASE // 2)

    def _do_look(self, state: State, number: int, script: Script) -> State:
        return _go(state, number, END if state.links[0] is None else "mount")

    def _do_mount(self, state: State, number: int, script: Script) -> State:
        if state.links[0] is None:
            return _go(state, number, END)
        named = (state.links[script.repository] or (0, 0))[0]
        state = _link(state, script.repository, (named, state.now + LEASE))
        return _go(state, number, "manifest", state.now + LEASE)

    def _do_delete(self, state: State, number: int, script: Script) -> State:
        link = state.links[script.repository]
        state = _go(state, number, END)
        return _link(state, script.repository, (link[0] - 1, link[1])) if link and link[0] else state

    def _claim(self, state: State, segments: tuple[str, ...]) -> tuple[State, bool]:
        if "claim" in self.dropped:
            return state, False
        marks = {mark for mark in state.doomed if mark[0] in segments}
        if any(mark[1] != "suspected" for mark in marks):
            return state, True
        return state._replace(doomed=state.doomed - marks), False

    def _blob(self, state: State, number: int, script: Script, segments: tuple[str, ...]) -> State:
        spare = state.blob is not None
        named = (state.links[script.repository] or (0, 0))[0]
        state = _link(state, script.repository, (named, state.now + LEASE))
        state = state._replace(blob=state.blob or segments)
        return _go(state, number, "spare" if spare else "manifest", state.now + LEASE)

    # -- the collector ------------------------------------------------------------------------------------------------

    def _collect(self, state: State) -> State:
        pc, found = state.collector
        step: Callable[[State, Any], State] = getattr(self, f"_c_{_METHODS[pc]}")
        return step(state, found)

    def _c_uploads_look(self, state: State, _: Any) -> State:
        due = state.upload is not None and state.upload[1] <= state.now
        return _on(state, "uploads!" if due else "links?")

    def _c_uploads_take(self, state: State, _: Any) -> State:
        if state.upload is not None and state.upload[1] <= state.now:
            gone = {(segment, "condemned", state.now) for segment in state.upload[0]}
            state = state._replace(upload=None, doomed=state.doomed | gone)
        return _on(state, "links?")

    def _c_links_look(self, state: State, _: Any) -> State:
        found = tuple(number for number, link in enumerate(state.links) if self._unnamed(state, link))
        return _on(state, "links!" if found else "blobs?", found)

    def _c_links_take(self, state: State, found: Any) -> State:
        for number in found:
            link = state.links[number]
            if "ask-again-links" in self.dropped or self._unnamed(state, link):
                state = _link(state, number, None)
        return _on(state, "blobs?")

    def _c_blobs_look(self, state: State, _: Any) -> State:
        return _on(state, "blobs!" if state.blob is not None and not any(state.links) else "sweep?")

    def _c_blobs_take(self, state: State, _: Any) -> State:
        held = any(state.links) and "ask-again-blobs" not in self.dropped
        if state.blob is not None and not held:
            gone = {(segment, "condemned", state.now) for segment in state.blob}
            state = state._replace(blob=None, doomed=state.doomed | gone)
        return _on(state, "sweep?")

    def _c_sweep_due(self, state: State, _: Any) -> State:
        due = frozenset(mark[0] for mark in state.doomed if mark[1] == "suspected" and mark[2] <= state.now)
        return _on(state, "sweep-list", due)

    def _c_sweep_list(self, state: State, due: Any) -> State:
        return _on(state, "sweep-first", (due, state.store, frozenset()))

    def _c_sweep_first(self, state: State, found: Any) -> State:
        due, listed, _ = found
        return _on(state, "sweep-second", (due, listed, _uploaded(state)))

    def _c_sweep_second(self, state: State, found: Any) -> State:
        due, listed, named = found
        return _on(state, "settle", (due, listed, named | _stored(state)))

    def _c_settle(self, state: State, found: Any) -> State:
        due, listed, named = found
        if "look-again" in self.dropped:
            named = frozenset()
        marks = {mark for mark in state.doomed if mark[0] in due and mark[1] == "suspected"}
        condemned = {(mark[0], "condemned", state.now) for mark in marks if mark[0] not in named}
        state = state._replace(doomed=(state.doomed - marks) | condemned)
        return _on(state, "suspect", (listed, named))

    def _c_suspect(self, state: State, found: Any) -> State:
        listed, named = found
        known = {mark[0] for mark in state.doomed}
        new = "condemned" if "suspicion" in self.dropped else "suspected"
        after = state.now if "suspicion" in self.dropped else state.now + AGE
        marks = {(segment, new, after) for segment in listed - named - known}
        return _on(state._replace(doomed=state.doomed | marks), "remove?")

    def _c_remove_look(self, state: State, _: Any) -> State:
        due = frozenset(mark[0] for mark in state.doomed if mark[1] == "condemned" and mark[2] <= state.now)
        if due:
            return _on(state, "remove-bytes", due)
        return _on(state, "uploads?")._replace(runs=state.runs - 1)

    def _c_remove_bytes(self, state: State, due: Any) -> State:
        return _on(state._replace(store=state.store - due), "remove-record", due)

    def _c_remove_record(self, state: State, due: Any) -> State:
        marks = {mark for mark in state.doomed if mark[0] in due and mark[1] == "condemned"}
        gone = {(mark[0], "removed", 0) for mark in marks}
        return _on(state._replace(doomed=(state.doomed - marks) | gone, runs=state.runs - 1), "uploads?")

    def _unnamed(self, state: State, link: tuple[int, int] | None) -> bool:
        return link is not None and not link[0] and ("lease" in self.dropped or link[1] <= state.now)

    # -- what must hold -----------------------------------------------------------------------------------------------

    def _checked(self, state: State) -> State:
        if state.fault:
            return state
        named = _stored(state) | _uploaded(state)
        if not named <= state.store:
            return state._replace(fault="a row names bytes that are not there")
        if any(state.links) and state.blob is None:
            return state._replace(fault="a repository holds a blob that has no row")
        if any(mark[0] in named and mark[1] != "suspected" for mark in state.doomed):
            return state._replace(fault="a row names a condemned segment")
        return state


def settled(machine: Machine, state: State) -> State:
    """Let every client stop where it is, time pass, and three collections run to their end."""
    state = state._replace(clients=tuple(Client(END) for _ in state.clients), deaths=0, collector=("uploads?", None))
    for tick in range(1, 4):
        state = state._replace(now=LAST_TICK + tick * (LEASE + UPLOAD_LIFE), runs=1)
        while state.runs:
            state = next(after for name, after in machine.steps(state) if name.startswith("c:"))
    return state


def garbage(state: State) -> frozenset[str]:
    """What the store holds and no row names."""
    return state.store - _stored(state) - _uploaded(state)


def _go(state: State, number: int, pc: str, promise: int | None = None) -> State:
    client = state.clients[number]
    changed = Client(pc, client.promise if promise is None else promise)
    return state._replace(clients=(*state.clients[:number], changed, *state.clients[number + 1 :]))


def _on(state: State, pc: str, found: Any = None) -> State:
    return state._replace(collector=(pc, found))


def _link(state: State, number: int, link: tuple[int, int] | None) -> State:
    return state._replace(links=(*state.links[:number], link, *state.links[number + 1 :]))


def _stored(state: State) -> frozenset[str]:
    return frozenset(state.blob or ())


def _uploaded(state: State) -> frozenset[str]:
    return frozenset(state.upload[0] if state.upload else ())


_METHODS = {
    "uploads?": "uploads_look", "uploads!": "uploads_take", "links?": "links_look", "links!": "links_take",
    "blobs?": "blobs_look", "blobs!": "blobs_take", "sweep?": "sweep_due", "sweep-list": "sweep_list",
    "sweep-first": "sweep_first", "sweep-second": "sweep_second", "settle": "settle", "suspect": "suspect",
    "remove?": "remove_look", "remove-bytes": "remove_bytes", "remove-record": "remove_record",
}  # fmt: skip

SCENARIOS: dict[str, tuple[tuple[Script, ...], bool]] = {
    "two pushes of one blob": ((Script("write", 0, "a"), Script("write", 1, "b")), False),
    "a push beside a deletion": ((Script("delete", 0), Script("write", 0, "a")), True),
    "a HEAD beside a deletion": ((Script("delete", 0), Script("head", 0)), True),
    "a mount beside a deletion": ((Script("delete", 0), Script("look", 1)), True),
    "an upload in pieces": ((Script("begin", 0, "a"), Script("head", 0)), False),
    "three at once": ((Script("delete", 0), Script("head", 0), Script("look", 1)), True),
}


def start(name: str) -> tuple[Machine, State]:
    """Return the machine of a scenario and its first state."""
    scripts, linked = SCENARIOS[name]
    # Where nothing was there before, a death of the collector shows nothing that the other scenarios do not.
    return Machine(scripts), initial(scripts, deaths=int(linked), linked=linked)


def explore(machine: Machine, first: State, most: int = 2_000_000) -> tuple[int, tuple[str, ...]]:
    """Walk every interleaving; return how many states there are and the steps to the first that breaks a rule."""
    origin: dict[State, tuple[State, str] | None] = {first: None}
    waiting = [first]
    while waiting:
        state = waiting.pop()
        for name, after in machine.steps(state):
            if after in origin:
                continue
            origin[after] = (state, name)
            if after.fault:
                return len(origin), _way(origin, after)
            waiting.append(after)
        if len(origin) > most:
            raise AssertionError(f"more than {most} states")
    return len(origin), ()


def _way(origin: dict[State, tuple[State, str] | None], state: State) -> tuple[str, ...]:
    names: list[str] = []
    step = origin[state]
    while step is not None:
        state, name = step
        names.append(name)
        step = origin[state]
    return tuple(reversed(names))
