"""Start to first healthy answer, idle memory of the whole tree, and CPU of `pratique --help`, beside their limits."""

import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 5
LIMITS = {"start": (2.0, "s"), "start again": (2.0, "s"), "memory": (250.0, "MB"), "help": (150.0, "ms of CPU")}


def main() -> None:
    figures = {"help": statistics.median(help_cpu() for _ in range(RUNS))}
    with tempfile.TemporaryDirectory() as folder:
        environment = {
            **os.environ,
            "PRATIQUE_DATA__DIRECTORY": folder,
            "PRATIQUE_SERVER__PORT": str(free_port()),
        }
        figures["start"] = timed("up", environment)
        try:
            pratique("down", environment)
            figures["start again"] = timed("up", environment)
            time.sleep(5)  # what is done once after a start is over then
            report = json.loads(pratique("ps", environment, "--output", "json"))
        finally:
            pratique("down", environment)
    figures["memory"] = report["memory"] / 1024**2
    for name, (limit, unit) in LIMITS.items():
        print(f"{name:12} {figures[name]:8.1f} {unit:10} limit {limit:6.0f}   {figures[name] / limit:5.2f} of it")
    for process in report["processes"]:
        print(f"  {process['name']:12} {process['memory'] / 1024**2:6.1f} MB")


def help_cpu() -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "pratique", "--help"], stdout=subprocess.DEVNULL, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) * 1000


def timed(command: str, environment: dict[str, str]) -> float:
    start = time.monotonic()
    pratique(command, environment)
    return time.monotonic() - start


def pratique(command: str, environment: dict[str, str], *options: str) -> str:
    arguments = [sys.executable, "-m", "pratique", command, *options]
    return subprocess.run(
        arguments, env=environment, cwd=Path.home(), capture_output=True, text=True, check=True, timeout=120
    ).stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
