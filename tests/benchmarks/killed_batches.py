"""A batched study under `kill -9` at random moments: what the endpoint billed, what is stored, what its tables say.

Run by hand: ``python tests/benchmarks/killed_batches.py [--kills 200] [--form anthropic]``. Each study asks 60 calls in
batches of 10, then 30 that depend on the replies; it is killed and begun again until it is through, then the next one
begins. The goal: no call billed twice by the endpoint's count, none lost, and replies as in a run that nobody kills
(of live calls where the endpoint takes them).
"""

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from conflictscope.models import CallStore, Model, Models, Registry, Request, batches
from conflictscope.prompts import Prompt

SERVERS = Path(__file__).parents[1] / "servers"
FORMS = {"openai": "batches.py", "anthropic": "message_batches.py"}


def requests(texts: list[str]) -> list[Request]:
    return [Request.of(Prompt("step", "abc", ({"role": "user", "content": text},))) for text in texts]


def run_study(place: Path, url: str, name: str, **described: object) -> list[str | None]:
    """Ask both steps; return the texts of all replies."""

    async def go() -> list[str | None]:
        model = Model("m", url, "m-1", batch_size=10, **described)
        models = Models(Registry({"m": model}), CallStore(place))
        try:
            first = await models.ask("m", requests([f"{name} {i}: a word" for i in range(60)]), label="first")
            asked = requests([f"{reply.text}: why?" for reply in first[:30]])
            second = await models.ask("m", asked, label="second")
            return [reply.text for reply in (*first, *second)]
        finally:
            await models.close()

    return asyncio.run(go())


def fork(place: Path, url: str, name: str, result: Path, **described: object) -> int:
    """Run a study in a process of its own, which writes its replies at the end; return its number."""
    pid = os.fork()
    if pid == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        result.write_text(json.dumps(run_study(place, url, name, **described)))
        os._exit(0)
    return pid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--form", choices=sorted(FORMS), default="openai")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    draw, folder = random.Random(options.seed), Path(tempfile.mkdtemp())
    batches._FIRST_PAUSE_S, batches._LONGEST_PAUSE_S, batches._LIST_LAG_S = 0.02, 0.05, 0.3
    command = [sys.executable, str(SERVERS / FORMS[options.form]), "--seconds", "0.15"]
    # what nobody kills is asked of one of its own
    servers = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    url, calm_url = (f"http://127.0.0.1:{server.stdout.readline().strip()}/v1" for server in servers if server.stdout)
    batched = {"batch": True, "batch_form": options.form}
    calm = {} if options.form == "openai" else batched

    def run(place: Path, url: str, name: str, kill_after: float | None = None, **described: object) -> list[str] | None:
        result = folder / "result.json"
        result.unlink(missing_ok=True)
        pid = fork(place, url, name, result, **described)
        if kill_after is not None:
            time.sleep(kill_after)
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return json.loads(result.read_text()) if result.exists() else None

    try:
        start = time.monotonic()
        assert run(folder / "whole.sqlite", url, "whole", **batched) is not None
        whole = time.monotonic() - start
        kills = studies = unlike = 0
        lost = 0
        while kills < options.kills:
            name, place = f"study {studies}", folder / f"{studies}.sqlite"
            replies = None
            while replies is None and kills < options.kills:
                # most are killed early, so that a study is killed many times before it is through
                replies = run(place, url, name, draw.uniform(0, whole * draw.choice((0.3, 1.0))), **batched)
                kills += replies is None
            replies = replies or run(place, url, name, **batched)
            unlike += replies != run(folder / f"{studies}.calm.sqlite", calm_url, name, **calm)
            lost += 90 - len(replies or [])
            studies += 1
        with urllib.request.urlopen(f"{url.removesuffix('/v1')}/books") as answer:
            billed = json.load(answer)["billed"]
        expected = 90 * (studies + 1)
        print(
            f"{kills} kills over {studies} studies of {whole:.1f} s: {len(billed):,} calls billed (expected "
            f"{expected:,}), {sum(count > 1 for count in billed.values())} of them twice, "
            f"{lost} lost, {unlike} studies with other replies than live"
        )
    finally:
        for server in servers:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
