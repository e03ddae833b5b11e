"""How long a whole study takes: run by hand, ``python tests/benchmarks/whole_study.py``.

1. The 72-scenario study of the reference implementation (three HHH pairs, one target; generation, six checks, multiple
   choice, open-ended, ranking) against a loopback server that answers after 200 ms. The reference takes 240 s there.
2. 1,000 scenarios and four targets on the embedded simulated models, with peak memory.
"""

import argparse
import asyncio
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from conflictscope import elicit, measure
from conflictscope import scenarios as sc
from conflictscope.models import CallStore, Models, load_registry

ROOT = Path(__file__).parents[2]
REFERENCE_SECONDS = 240
SERVER_MODELS = """
models:
  loopback:
    base_url: http://127.0.0.1:{port}/v1
    id: loopback
    concurrency: 64
    json_schema: true
casts: {{}}
"""


async def study(models: Models, values, roles: dict, targets: list[str], per_pair: int, *, filtered: bool) -> dict:
    """Run every stage; return rows per table and seconds per stage."""
    seconds, start = {}, time.perf_counter()

    def lap(stage: str) -> None:
        nonlocal start
        seconds[stage] = time.perf_counter() - start
        start = time.perf_counter()

    written, _ = await sc.write_outlines(values, models, roles["author"], outlines_per_pair=per_pair)
    outlines, _ = await sc.mark_duplicates(written, models, embedder="tfidf")
    scenarios, _ = await sc.write_scenarios(outlines, values, models, roles["author"])
    lap("generate")
    checks = await sc.check_scenarios(scenarios, values, models, roles["filter_judge"], seed=0)
    decisions = sc.apply_filter(scenarios, checks)
    # a server that knows nothing of the study passes scenarios at random, and the reference's study keeps all
    kept = scenarios[(decisions["filter_status"] == "kept").to_numpy()] if filtered else scenarios
    lap("filter")
    answers = await elicit.ask_multiple_choice(kept, models, targets)
    ratings = await elicit.ask_ratings(kept, models, targets)
    lap("multiple choice")
    messages = await elicit.write_opening_messages(kept, values, models, roles["user"])
    conversations = await elicit.hold_conversations(kept, messages, models, targets, roles["user"])
    verdicts = await elicit.judge_conversations(conversations, kept, models, roles["judge"], seed=0)
    lap("open-ended")
    choices = measure.gather_choices(kept, answers, verdicts)
    measure.rank_values(choices, values.names, measure.Settings(resamples=1000))
    lap("rank")
    counts = {"scenarios": len(scenarios), "kept": len(kept), "answers": len(answers), "ratings": len(ratings)}
    return counts | {"verdicts": len(verdicts), "seconds": {stage: round(s, 2) for stage, s in seconds.items()}}


async def run(models_file: Path, roles: dict, targets: list[str], per_pair: int, *, filtered: bool) -> None:
    """Run a study in a temporary folder and print what it took."""
    values = sc.load_value_set(ROOT / "params" / "value_sets" / "hhh.yaml")
    with tempfile.TemporaryDirectory() as folder:
        models = Models(load_registry(models_file), CallStore(f"sqlite:///{folder}/calls.sqlite"))
        start = time.perf_counter()
        found = await study(models, values, roles, targets, per_pair, filtered=filtered)
        total = time.perf_counter() - start
        await models.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(found, f"total {total:.1f} s, peak {peak:.2f} GiB", sep="\n")
    if not filtered:
        print(f"1/{REFERENCE_SECONDS / total:.0f} of the reference's {REFERENCE_SECONDS} s")


def against_loopback() -> None:
    """Run the 72-scenario study against a loopback server with 200 ms latency."""
    server = subprocess.Popen(
        [sys.executable, ROOT / "tests" / "servers" / "loopback.py", "--latency", "0.2"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline().split()[-1])
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(SERVER_MODELS.format(port=port))
            file.flush()
            roles = dict.fromkeys(("author", "filter_judge", "user", "judge"), "loopback")
            asyncio.run(run(Path(file.name), roles, ["loopback"], 24, filtered=False))
    finally:
        server.kill()


def on_simulated(scenarios: int) -> None:
    """Run a large study on the embedded models."""
    roles = {role: f"simulated/{role}" for role in ("author", "filter_judge", "user", "judge")}
    targets = [f"simulated/{name}" for name in ("cautious", "obliging", "steady", "pliable")]
    asyncio.run(run(ROOT / "params" / "models.yaml", roles, targets, -(-scenarios // 3), filtered=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenarios", type=int, default=1000, help="size of the simulated study")
    wanted = parser.parse_args().scenarios
    print("72 scenarios, loopback server, 200 ms:")
    against_loopback()
    print(f"{wanted} scenarios, four targets, simulated models:")
    on_simulated(wanted)
