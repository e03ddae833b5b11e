"""Calls through a loopback batch server: time beside that of writing and reading the files alone, and memory.

Run by hand: ``python tests/benchmarks/batched_calls.py [--calls 100000] [--batches 10]``. The files alone: the same
lines written, uploaded, carried out, downloaded and parsed by the bare ``openai`` client, and nothing kept. The goals:
10^5 calls within 1.5 x that and under 1 GiB; 10^6 calls in 20 batches under 2 GiB, the store on disk (``--only ours``,
``--lists 20``: lists that are asked one after the other; all in one list, requests and replies fill the memory).
"""

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import openai

from conflictscope.models import CallStore, Model, Models, Registry, Request, batches
from conflictscope.models.batch_providers import URL
from conflictscope.models.requests import make_call
from conflictscope.prompts import Prompt

SERVER = Path(__file__).parents[1] / "servers" / "batches.py"
FILLER = "The pharmacist on the night shift asks what to write in the report about the missing box. " * 5  # 450 B


def request(number: int) -> Request:
    return Request.of(Prompt("greeting", "abc", ({"role": "user", "content": f"{number}. {FILLER}"},)))


async def write_and_read(url: str, folder: Path, calls: int, size: int) -> None:
    """Write files of requests, have them carried out, and read the results."""
    client, model = (
        openai.AsyncOpenAI(api_key="none", base_url=url, max_retries=0, timeout=3600),
        Model("m", url, "m-1"),
    )
    begun = []
    for start in range(0, calls, size):
        path = folder / f"{start}.jsonl"
        with path.open("wb") as file:
            for number in range(start, min(start + size, calls)):
                call = make_call(model, request(number))
                line = {"custom_id": call.key, "method": "POST", "url": URL, "body": json.loads(call.body)}
                file.write(json.dumps(line).encode() + b"\n")
        uploaded = await client.files.create(file=path, purpose="batch")
        begun.append(await client.batches.create(input_file_id=uploaded.id, endpoint=URL, completion_window="24h"))
    read = 0
    for batch in begun:
        while (batch := await client.batches.retrieve(batch.id)).status != "completed":
            await asyncio.sleep(0.1)
        path = folder / "results.jsonl"
        async with client.files.with_streaming_response.content(batch.output_file_id) as response:
            await response.stream_to_file(path)
        with path.open("rb") as file:
            read += sum(json.loads(line)["response"]["status_code"] == 200 for line in file)
    assert read == calls
    await client.close()


async def ask(url: str, folder: Path, calls: int, size: int, lists: int) -> None:
    """Ask the same by the library."""
    model = Model("m", url, "m-1", batch=True, batch_size=size, counts_prompts=False)
    models = Models(Registry({"m": model}), CallStore(folder / "calls.sqlite"))
    for nth in range(lists):
        asked = [request(number) for number in range(nth * calls // lists, (nth + 1) * calls // lists)]
        assert {reply.outcome for reply in await models.ask("m", asked, label="test")} == {"ok"}
    await models.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100_000)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--lists", type=int, default=1)
    parser.add_argument("--only", choices=("files", "ours"))
    parser.add_argument("--url", help="internal: of a server that is running")
    options = parser.parse_args()
    size = -(-options.calls // options.batches)
    if options.url:
        batches._FIRST_PAUSE_S, batches._LONGEST_PAUSE_S = 0.1, 0.1
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_SELF).ru_utime
        with tempfile.TemporaryDirectory() as folder:
            about = options.url, Path(folder), options.calls, size
            ours = options.only == "ours"
            asyncio.run(ask(*about, options.lists) if ours else write_and_read(*about))
        used = resource.getrusage(resource.RUSAGE_SELF)
        print(time.perf_counter() - start, used.ru_utime - before, used.ru_maxrss / 1024)
        return
    seconds = {}
    for which in (options.only,) if options.only else ("files", "ours"):
        server = subprocess.Popen([sys.executable, str(SERVER)], stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}/v1"
        words = [sys.executable, __file__, *sys.argv[1:], "--only", which, "--url", url]
        printed = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        server.terminate()
        server.wait()
        seconds[which], cpu, megabytes = map(float, printed.split())
        print(
            f"{which}: {options.calls:,} calls in {options.batches} batches: {seconds[which]:.1f} s, of it "
            f"{cpu:.1f} s of CPU, {megabytes:,.0f} MiB at most",
            flush=True,
        )
    if len(seconds) == 2:
        print(f"ours / files: {seconds['ours'] / seconds['files']:.2f}")


if __name__ == "__main__":
    main()
