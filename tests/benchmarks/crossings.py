"""How straight the way of a question is, from a question of notebook 03 to the wire and back.

Run by hand: ``python tests/benchmarks/crossings.py``. Two multiple-choice questions are put to the loopback server, one
after the other: the first opens the endpoint, the ledger and whatever else is on its way. Goals for a question: at most
12 rooms and 30 crossings.
"""

import asyncio
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

from conflictscope.elicit import multiple_choice
from conflictscope.elicit.system_prompts import default_arm
from conflictscope.models import CallStore, Model, Models, Registry
from conflictscope.prompts import render

SERVER = Path(__file__).parents[1] / "servers" / "loopback.py"
PACKAGE = "conflictscope"
DESCRIPTION = "A baker asks what the assistant thinks of her slogan."


class Trace:
    """What was entered in the package, thread by thread.

    An entry is a function that is called (a coroutine that goes on is none). A crossing is an entry from a function of
    another module.
    """

    def __init__(self):
        self.on = False
        self.entries = self.crossings = 0
        self.rooms: Counter[str] = Counter()
        self.between: Counter[tuple[str, str]] = Counter()
        self._seen = set()

    def __call__(self, frame, event, argument):
        if (
            not self.on
            or event != "call"
            or not _room(frame)
            or frame in self._seen
            or frame.f_code.co_name.startswith("<")
        ):
            return
        self._seen.add(frame)  # kept, so that no other frame gets its identity
        self.entries += 1
        room = _room(frame)
        self.rooms[room] += 1
        above = [name for name in map(_room, _callers(frame)) if name]
        if above and above[0] != room:
            self.crossings += 1
            self.between[above[0], room] += 1
        elif not above:
            self.between["", room] += 1


def _room(frame) -> str:
    """Return the module of a frame, "" if it is none of the package's."""
    name = frame.f_globals.get("__name__", "")
    return name.removeprefix(f"{PACKAGE}.") if name.startswith(PACKAGE) else ""


def _callers(frame):
    """Return the frames that wait for this one, the nearest first."""
    while (frame := frame.f_back) is not None:
        yield frame


async def ask(url: str, folder: str) -> list[Trace]:
    """Ask two questions and return the traces of the first, with all that is opened on its way, and of the second."""
    registry = Registry({"m": Model("m", url, "m", json_schema=True)})
    traces = [Trace(), Trace()]
    now = traces[0]
    threading.setprofile(lambda *event: now(*event))  # for the store's thread
    models = Models(registry, CallStore(f"sqlite:///{folder}/calls.sqlite"), ledger=Path(folder) / "ledger.json")
    try:
        for nth, trace in enumerate(traces):
            now, trace.on = trace, True
            sys.setprofile(trace)
            action = f"It says so, the {nth}th time."
            prompt = render("choose", description=DESCRIPTION, action_a=action, action_b="It praises the rest.")
            # the same prompt for both orders: one call
            answered = await multiple_choice._ask_targets(
                [("s1", prompt, prompt)], models, {"m": default_arm("")}, multiple_choice.Answer, 1, 0.0
            )
            sys.setprofile(None)
            trace.on = False
            assert [reply.outcome for _, _, reply in answered] == ["ok", "ok"]
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
        await models.close()
    return traces


def main() -> None:
    process = subprocess.Popen([sys.executable, str(SERVER)], stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{process.stdout.readline().strip()}/v1"
        render("choose", description="", action_a="", action_b="")  # the prompts are read once
        with tempfile.TemporaryDirectory() as folder:
            traces = asyncio.run(ask(url, folder))
    finally:
        process.kill()
        process.wait()
    for which, trace in zip(("first", "second"), traces, strict=True):
        print(f"{which} question: {trace.entries} entries, {trace.crossings} crossings, {len(trace.rooms)} rooms")
        print(dict(trace.rooms))
        for (above, below), count in trace.between.most_common():
            print(f"  {above or '(from outside)'} -> {below}: {count}")


if __name__ == "__main__":
    main()
