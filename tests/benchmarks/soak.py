"""Thousands of calls to an endpoint that fails on purpose: run by hand, ``python tests/benchmarks/soak.py``.

20,000 calls, 20 % of the attempts at fault, of 54 kinds (``tests/servers/faulty.py``, a process of its own); the
process that asks is killed ten times at random moments and started again. Printed: replies lost, paid for twice, or
stored under another's question; outcomes beside what was injected; what the ledger counts beside what the server's
books hold; memory of the last process at each quarter of its calls, seconds. What was on the wire at a kill may be
paid for twice, and only that.
"""

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from conflictscope.models import CallStore, Model, Models, Registry, Reply, Request
from conflictscope.models.records import Usage
from conflictscope.models.requests import make_call

sys.path.insert(0, str(Path(__file__).parents[1] / "servers"))
from broken_http import EITHER
from faulty import UNANSWERED, UNSPOILT
from loopback import completion

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


def outcome_of(described: Model, request: Request, reply: Reply) -> tuple[str, tuple[str, bool, bool]]:
    """Return the SHA-256 of a body; outcome, whether an object was asked for, whether its text is its own."""
    body = make_call(described, request).body
    own = completion(json.loads(body))["choices"][0]["message"]["content"]
    return hashlib.sha256(body).hexdigest(), (reply.outcome, request.schema is not None, reply.text == own)


def examine(met: dict[str, list[str]], outcomes: dict[str, tuple[str, bool, bool]]) -> dict[str, int]:
    """Compare what was injected with what came back.

    Parameters
    ----------
    met : dict
        SHA-256 of a body → kinds of fault, in order.
    outcomes : dict
        As from ``outcome_of``.
    """
    found = Counter({"lost": 0, "paid twice": 0, "not as injected": 0, "another's answer": 0})
    for digest, (outcome, structured, own) in outcomes.items():
        kinds = met[digest]
        # of two answers both are void if the first was not read when the second came
        earlier = [kind for kind in kinds[:-1] if kind not in EITHER]
        answered = [kind for kind in earlier + kinds[-1:] if kind not in UNANSWERED]
        found["lost"] += not answered or outcome == "error"
        found["paid twice"] += len(answered) > 1 or kinds[-1:] != answered
        expected = (
            (OUTCOME_OF_OBJECT if structured else OUTCOME_OF_TEXT).get(answered[-1], "ok") if answered else "error"
        )
        found["not as injected"] += expected != outcome
        found["another's answer"] += kinds[-1] in UNSPOILT and not own
    return dict(found)


def examine_bill(billed: dict[str, int], used: Usage) -> dict[str, int]:
    """Return the tokens that the server's books hold and the ledger does not; 0 if it has more."""
    return {name: max(0, billed[name] - getattr(used, name)) for name in ("input_tokens", "output_tokens")}


async def soak(port: int, calls: int, folder: str, in_flight: int, lists: int, kills: int) -> dict:
    """Ask in so many lists; return outcomes, memory at each quarter and what the ledger holds."""
    # a call that is on the wire at a kill has one attempt less, and the first of a list may be there at each
    limits = {"timeout_s": 20, "max_attempts": 8 + kills}
    described = Model("m", f"http://127.0.0.1:{port}/v1", "m", concurrency=in_flight, json_schema=True, **limits)
    # without repairs, what a body met last is the outcome of its call
    models = Models(Registry({"m": described}), CallStore(f"sqlite:///{folder}/calls.sqlite"), max_repairs=0)
    outcomes, quarters = {}, []
    for nth in range(lists):
        requests = make_requests(nth * (calls // lists), calls // lists)
        replies = await models.ask("m", requests, label="soak")
        outcomes |= dict(outcome_of(described, *pair) for pair in zip(requests, replies, strict=True))
        del requests, replies
        if (nth + 1) * 4 % lists == 0:
            quarters.append(round(memory()))
    usage = models.store.usage["m", "p"]
    await models.close()
    return {"outcomes": outcomes, "quarters": quarters, "usage": usage._asdict()}


def soak_and_kill(port: int, options: argparse.Namespace, folder: str) -> dict:
    """Ask in a process that is killed at random moments and started again; return what the last one returns."""
    draw = random.Random(options.seed)
    command = [*sys.argv[:1], "--calls", str(options.calls), "--in-flight", str(options.in_flight)]
    command += ["--kills", str(options.kills)]
    for nth in range(options.kills + 1):
        asking = subprocess.Popen([sys.executable, *command, "--ask", str(port), folder], stdout=subprocess.PIPE)
        assert asking.stdout is not None
        asking.stdout.readline()
        with contextlib.suppress(subprocess.TimeoutExpired):
            asking.wait(draw.uniform(0.2, 15) if nth < options.kills else None)
        asking.kill()
        asking.wait()
    done = json.loads(Path(folder, "done.json").read_text(encoding="utf-8"))
    return done | {"usage": Usage(**done["usage"])}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--share", type=float, default=0.2)
    parser.add_argument("--in-flight", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--ask", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.ask:
        port, folder = options.ask
        print("begun", flush=True)
        done = asyncio.run(soak(int(port), options.calls, folder, options.in_flight, 8, options.kills))
        Path(folder, "done.json").write_text(json.dumps(done), encoding="utf-8")
        return
    start = time.perf_counter()
    command = [sys.executable, str(SERVER), "--share", str(options.share), "--seed", str(options.seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        port = int(process.stdout.readline())
        with tempfile.TemporaryDirectory() as folder:
            done = soak_and_kill(port, options, folder)
        counts, found = fetch(port, "counts"), examine(fetch(port, "injected"), done["outcomes"])
        billed = fetch(port, "billed")
    finally:
        process.kill()
        process.wait()
    print(f"{len(done['outcomes'])} calls, {counts['total']} requests, {time.perf_counter() - start:.0f} s")
    print(f"{options.kills} kills, with at most {options.in_flight} calls on the wire each")
    print(f"injected: {counts['kinds']}")
    print(f"outcomes: {dict(Counter(outcome for outcome, *_ in done['outcomes'].values()))}")
    print(f"{found}; attempts counted: {done['usage'].attempts}")
    print(f"billed: {billed}")
    print(f"ledger: {done['usage']}; billed and not in it: {examine_bill(billed, done['usage'])}")
    print(f"memory at each quarter, MiB: {done['quarters']}")


if __name__ == "__main__":
    main()
