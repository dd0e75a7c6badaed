"""What open pages listen for moves with gates too, once in a transaction."""

from pratique.core.database import Database, Epochs, Transaction
from pratique.core.events import Event, EventBus
from pratique.core.jobs import JobHandlers, JobQueue
from pratique.recommendations.jobs import EPOCH, GATE_CHANGED, RecommendationJobs


def test_a_gate_that_moves_is_told_to_open_pages(sqlite_database: Database) -> None:
    database, queue, handlers = sqlite_database, JobQueue(), JobHandlers()
    epochs, events = Epochs(database), EventBus(queue, handlers)
    RecommendationJobs(database, queue, epochs, lambda _, version: version.encode()).attach(events, handlers)
    before = epochs.current(EPOCH)

    def body(tx: Transaction) -> None:
        for number in range(3):
            events.publish(tx, Event(GATE_CHANGED, f"image-{number}", {"state": "refused"}))

    database.write(body)
    assert epochs.current(EPOCH) == before + 1
