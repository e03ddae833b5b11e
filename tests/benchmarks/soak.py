"""Thousands of calls to an endpoint that fails on purpose: run by hand, ``python tests/benchmarks/soak.py``.

20,000 calls, 20 % of the attempts at fault, of 21 kinds (``tests/servers/faulty.py``, a process of its own). Printed:
replies lost, replies paid for twice, outcomes beside what was injected, memory at each quarter, seconds.
"""

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from conflictscope.models import CallStore, Model, Models, Registry, Request
from conflictscope.models.requests import make_call

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
from faulty import UNANSWERED

SERVER = Path(__file__).parents[1] / "servers" / "faulty.py"
# how a fault shows in a reply that is not asked for again
OUTCOME_OF_TEXT = {
    "empty": "invalid",
    "length": "invalid",
    "content_filter": "refusal",
    "refusal": "refusal",
}
OUTCOME_OF_OBJECT = OUTCOME_OF_TEXT | {"truncated_content": "invalid", "wrong_schema": "invalid"}


class Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reasoning: str
    action: str
    passes: bool


def make_requests(first: int, count: int) -> list[Request]:
    """Return requests of which every other one asks for an object."""
    return [
        Request(({"role": "user", "content": f"Case {i}. {'A note about the missing box. ' * 20}"},), "p", "h", schema)
        for i in range(first, first + count)
        for schema in [Verdict if i % 2 else None]
    ]


def memory() -> float:
    """Return this process's memory in MiB."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def fetch(port: int, what: str):
    """Return what the server says."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{what}") as answer:
        return json.load(answer)


def examine(met: dict[str, list[str]], outcomes: dict[str, tuple[str, bool]]) -> dict[str, int]:
    """Compare what was injected with what came back.

    Parameters
    ----------
    met : dict
        SHA-256 of a body → kinds of fault, in order.
    outcomes : dict
        SHA-256 of a call's body → its outcome, and whether an object was asked for.
    """
    found = Counter({"lost": 0, "paid twice": 0, "not as injected": 0})
    for digest, (outcome, structured) in outcomes.items():
        kinds = met[digest]
        answered = [kind for kind in kinds if kind not in UNANSWERED]
        found["lost"] += not answered or outcome == "error"
        found["paid twice"] += len(answered) > 1 or kinds[-1:] != answered
        expected = (
            (OUTCOME_OF_OBJECT if structured else OUTCOME_OF_TEXT).get(answered[-1], "ok") if answered else "error"
        )
        found["not as injected"] += expected != outcome
    return dict(found)


async def soak(port: int, calls: int, folder: str, in_flight: int, lists: int) -> dict:
    """Ask in so many lists; return outcomes, memory at each quarter and seconds."""
    described = Model(
        "m", f"http://127.0.0.1:{port}/v1", "m", concurrency=in_flight, json_schema=True, timeout_s=5, max_attempts=8
    )
    # without repairs, what a body met last is the outcome of its call
    models = Models(Registry({"m": described}), CallStore(f"sqlite:///{folder}/calls.sqlite"), max_repairs=0)
    outcomes, quarters, start = {}, [], time.perf_counter()
    for nth in range(lists):
        requests = make_requests(nth * (calls // lists), calls // lists)
        replies = await models.ask("m", requests, label="soak")
        for request, reply in zip(requests, replies, strict=True):
            digest = hashlib.sha256(make_call(described, request).body).hexdigest()
            outcomes[digest] = (reply.outcome, request.schema is not None)
        del requests, replies
        if (nth + 1) * 4 % lists == 0:
            quarters.append(round(memory()))
    usage = models.store.usage["m", "p"]
    await models.close()
    return {"outcomes": outcomes, "quarters": quarters, "seconds": time.perf_counter() - start, "usage": usage}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    command = [sys.executable, str(SERVER), "--share", str(options.share), "--seed", str(options.seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline())
        with tempfile.TemporaryDirectory() as folder:
            done = asyncio.run(soak(port, options.calls, folder, options.in_flight, 8))
        counts, found = fetch(port, "counts"), examine(fetch(port, "injected"), done["outcomes"])
    finally:
        process.kill()
        process.wait()
    print(f"{len(done['outcomes'])} calls, {counts['total']} requests, {done['seconds']:.0f} s")
    print(f"injected: {counts['kinds']}")
    print(f"outcomes: {dict(Counter(outcome for outcome, _ in done['outcomes'].values()))}")
    print(f"{found}; attempts counted: {done['usage'].attempts}")
    print(f"memory at each quarter, MiB: {done['quarters']}")


if __name__ == "__main__":
    main()
