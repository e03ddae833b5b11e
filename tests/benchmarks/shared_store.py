"""How much faster two processes are than one if they ask the same through one call store.

Run by hand: ``python tests/benchmarks/shared_store.py [--store postgresql+psycopg://me@host/empty]`` (default: SQLite).
The goal: 1.8 x the rate of one, and no call sent twice.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from conflictscope.models import CallStore, Model, Models, Registry, Request
from conflictscope.prompts import Prompt

SERVER = Path(__file__).parents[1] / "servers" / "loopback.py"


def ask(store: str, url: str, run: str, calls: int, start: float) -> None:
    """Ask so many calls from a moment on."""

    async def go() -> None:
        models = Models(Registry({"m": Model("m", url, "m-1", concurrency=8)}), CallStore(store))
        asked = [Prompt("greeting", "abc", ({"role": "user", "content": f"{run} {i}"},)) for i in range(calls)]
        await asyncio.sleep(max(0.0, start - time.time()))
        await models.ask("m", [Request.of(prompt) for prompt in asked], label="test")
        await models.close()

    asyncio.run(go())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--store", default=f"sqlite:///{tempfile.mkdtemp()}/calls.sqlite")
    parser.add_argument("--calls", type=int, default=800)
    options = parser.parse_args()
    command = [sys.executable, str(SERVER), "--latency", "0.2"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    port, seconds = server.stdout.readline().strip(), {}
    try:
        for processes in (1, 2):
            start = time.time() + 2
            pids = []
            for _ in range(processes):
                if (pid := os.fork()) == 0:
                    ask(options.store, f"http://127.0.0.1:{port}/v1", str(processes), options.calls, start)
                    os._exit(0)
                pids.append(pid)
            for pid in pids:
                os.waitpid(pid, 0)
            seconds[processes] = time.time() - start
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/requests") as answer:
            counted = json.load(answer)
    finally:
        server.terminate()
        server.wait()
    print(
        f"{options.calls} calls, 0.2 s each, 8 in flight a process: {seconds[1]:.1f} s by one process, "
        f"{seconds[2]:.1f} s by two, {seconds[1] / seconds[2]:.2f} x; "
        f"{counted['total'] - counted['distinct']} of {counted['distinct']} sent twice"
    )


if __name__ == "__main__":
    main()
