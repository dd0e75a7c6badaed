"""The job queue on SQLite: jobs queued, and jobs claimed, run and finished, with CPU per job; CPU of an idle worker."""

import tempfile
import threading
import time

from pratique.core.database import Transaction, create_schema, open_database
from pratique.core.jobs import JobContext, JobHandlers, JobQueue, Worker

JOBS, IDLE = 2000, 10.0


def main() -> None:
    queue, handlers, done = JobQueue(), JobHandlers(), threading.Semaphore(0)

    def run(context: JobContext) -> None:
        context.complete_with(lambda _tx: None)
        done.release()

    def fill(tx: Transaction) -> None:
        for number in range(100):
            queue.enqueue(tx, "bench", {"n": number})

    handlers.register("bench", run)
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(f"sqlite:///{folder}/bench.db")
        create_schema(database)
        begun, processor = time.perf_counter(), time.process_time()
        for _ in range(JOBS // 100):
            database.write(fill)
        print(_line("queue", begun, processor))
        worker = Worker(database, queue, handlers)
        begun, processor = time.perf_counter(), time.process_time()
        worker.start()
        for _ in range(JOBS):
            done.acquire()
        print(_line("claim, run, finish", begun, processor))
        time.sleep(1)
        processor = time.process_time()
        time.sleep(IDLE)
        print(f"idle worker: {(time.process_time() - processor) / IDLE * 100:.2f} % of a core")
        worker.stop()
        database.close()


def _line(what: str, begun: float, processor: float) -> str:
    rate, cost = JOBS / (time.perf_counter() - begun), (time.process_time() - processor) / JOBS
    return f"{what}: {rate:.0f} jobs/s, {cost * 1e6:.0f} µs of CPU each"


if __name__ == "__main__":
    main()
