"""Calls a second and CPU a call: ``Models.ask``, store and parsing included, beside the bare ``openai`` client.

Run by hand: ``python tests/benchmarks/client_throughput.py [--calls 7680]``. The server is a process of its own.
The goals: at least 90 % of the ideal at 1 s and 256 in flight, 75 % at 200 ms and 64, CPU at most 1.3 x bare.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

from openai import AsyncOpenAI, DefaultAioHttpClient
from pydantic import BaseModel, ConfigDict, Field

from conflictscope.models import CallStore, Model, Models, Registry, Request

SERVER = Path(__file__).parents[1] / "servers" / "loopback.py"
FILLER = "The pharmacist on the night shift asks what to write in the report about the missing box. " * 15  # 1.4 kB


class Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reasoning: str
    action: str
    leaning: int = Field(ge=1, le=7)
    passes: bool


@contextmanager
def server(latency: float):
    process = subprocess.Popen(
        [sys.executable, str(SERVER), "--latency", str(latency)], stdout=subprocess.PIPE, text=True
    )
    try:
        yield f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
    finally:
        process.terminate()
        process.wait()


def prompts(calls: int, run: str) -> list[str]:
    return [f"{run} {i}. {FILLER}" for i in range(calls)]


async def bare(url: str, texts: list[str], in_flight: int) -> None:
    """Ask with the bare client: what it sends and returns is the same, but nothing is kept."""
    client = AsyncOpenAI(api_key="none", base_url=url, max_retries=0, http_client=DefaultAioHttpClient())
    schema = {"type": "json_schema", "json_schema": {"name": "Verdict", "strict": True, "schema": SCHEMA}}
    left = iter(texts)

    async def work() -> None:
        for text in left:
            await client.chat.completions.create(
                model="m",
                messages=[{"role": "user", "content": text}],
                temperature=0.0,
                response_format=schema,
            )

    await asyncio.gather(*(work() for _ in range(in_flight)))
    await client.close()


SCHEMA = Verdict.model_json_schema()


async def ours(url: str, texts: list[str], in_flight: int) -> None:
    """Ask with ``Models.ask``."""
    with tempfile.TemporaryDirectory() as folder:
        registry = Registry({"m": Model("m", url, "m", concurrency=in_flight, json_schema=True)})
        models = Models(registry, CallStore(f"sqlite:///{folder}/calls.sqlite"))
        requests = [Request(({"role": "user", "content": text},), "p", "h", Verdict, 0.0) for text in texts]
        replies = await models.ask("m", requests, label="benchmark")
        await models.close()
        assert all(reply.outcome == "ok" for reply in replies)


def measure(asking, url: str, texts: list[str], in_flight: int) -> tuple[float, float]:
    """Return calls a second and CPU milliseconds a call."""
    start, cpu = time.perf_counter(), time.process_time()
    asyncio.run(asking(url, texts, in_flight))
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return len(texts) / seconds, 1000 * cpu / len(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=7680, help="calls a measurement")
    calls = parser.parse_args().calls
    for latency, in_flight, goal in ((0.2, 64, 0.75), (1.0, 256, 0.90)):
        ideal = in_flight / latency
        with server(latency) as url:
            for name, asking in (("warm-up", bare), ("bare openai", bare), ("Models.ask", ours)):
                texts = prompts(256 if name == "warm-up" else calls // in_flight * in_flight, f"{name} {latency}")
                rate, cpu = measure(asking, url, texts, in_flight)
                if name == "bare openai":
                    bare_cpu = cpu
                if name != "warm-up":
                    print(
                        f"{latency * 1000:5.0f} ms, {in_flight:3d} in flight  {name:12s} {rate:6.1f} calls/s "
                        f"({rate / ideal:4.0%} of {ideal:.0f}, goal {goal:.0%})  {cpu:5.2f} CPU ms a call "
                        f"({cpu / bare_cpu:4.2f} x bare, goal 1.30)",
                        flush=True,
                    )


if __name__ == "__main__":
    main()
