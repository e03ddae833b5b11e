import asyncio
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
import uuid
from functools import partial
from pathlib import Path

import httpx2
import pytest
import sqlalchemy as sa

from conflictscope.models import CallStore, Model, Models, Registry, Request, batches, patience
from conflictscope.prompts import Prompt


class Server:
    """A server on loopback, a process of its own."""

    def __init__(self, process, port: int):
        self.process, self.port = process, port
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def get(self, what: str) -> dict:
        """What it says of what it was sent."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{what}") as answer:
            return json.load(answer)

    def requests(self) -> dict:
        """What the loopback server has counted."""
        return self.get("requests")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def start_server(fork_server):
    """Start servers that are gone after the test."""
    servers = []

    def start(name: str, *options: str) -> Server:
        servers.append(Server(*fork_server(name, *options)))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()


@pytest.fixture
def start_loopback(start_server):
    """Start the server that answers."""
    return partial(start_server, "loopback.py")


@pytest.fixture
def start_faulty(start_server):
    """Start the server that fails on purpose."""
    return partial(start_server, "faulty.py")


@pytest.fixture
def hurry(monkeypatch):
    """Make waits before another attempt twenty times as short; the time to give an endpoint up is 1.5 s."""
    monkeypatch.setattr(patience, "_FIRST_WAIT_S", 0.05)
    monkeypatch.setattr(patience, "DOWN_S", 1.5)


@pytest.fixture
def hurry_batches(monkeypatch):
    """Wait a tenth of a second where a minute would be waited."""
    monkeypatch.setattr(batches, "_FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(batches, "_LONGEST_PAUSE_S", 0.1)
    monkeypatch.setattr(batches, "_LIST_LAG_S", 0.05)
    monkeypatch.setattr(batches, "_PATIENCE_S", (0.05, 0.05, 0.05))


class Script(httpx2.AsyncBaseTransport):
    """A scripted model: ``answer(body, nth)`` gives a response or the text of a reply; it keeps what it was sent."""

    def __init__(self, answer):
        self.answer, self.bodies, self.headers = answer, [], []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = json.loads(request.content)
        self.bodies.append(body)
        self.headers.append(request.headers)
        found = self.answer(body, len(self.bodies))
        if not isinstance(found, str):
            return found
        message = {"role": "assistant", "content": found}
        choices = [{"index": 0, "finish_reason": "stop", "message": message}]
        usage = {"prompt_tokens": 7, "completion_tokens": 3}
        return httpx2.Response(200, json={"model": "scripted-1", "choices": choices, "usage": usage})


@pytest.fixture
def script():
    """Make a scripted model of a function of body and number."""
    return Script


@pytest.fixture
def store_url(tmp_path):
    return f"sqlite:///{tmp_path / 'calls.sqlite'}"


@pytest.fixture(scope="session")
def postgresql():
    """Start a PostgreSQL server of the distribution's, listening on a socket alone; return its URL and its process."""
    pytest.importorskip("psycopg", reason="psycopg, the driver of PostgreSQL, is not installed")
    places = [*Path("/usr/lib/postgresql").glob("*/bin"), *map(Path, os.environ["PATH"].split(os.pathsep))]
    binaries = next((place for place in places if (place / "initdb").exists()), None)
    if binaries is None:
        pytest.skip("PostgreSQL is not installed")
    # it does not run as root
    user = {"user": "postgres"} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    if user:
        shutil.chown(folder, "postgres")
    data = folder / "data"
    command = [binaries / "initdb", "-D", data, "-U", "study", "-A", "trust", "-E", "UTF8", "--no-locale"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **user)
    command = [binaries / "postgres", "-D", data, "-k", folder, "-c", "listen_addresses="]
    server = subprocess.Popen(command, stderr=subprocess.DEVNULL, cwd=folder, **user)
    url = sa.URL.create("postgresql+psycopg", "study", database="postgres", query={"host": str(folder)})
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    for _ in range(200):
        try:
            engine.connect().close()
            break
        except sa.exc.OperationalError:
            time.sleep(0.1)
    yield engine
    engine.dispose()
    # the fast shutdown, which waits for nobody
    server.send_signal(signal.SIGINT)
    server.wait()
    shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgresql"])
def shared_url(request, tmp_path):
    """Return the URL of an empty database that several processes may use at once."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'calls.sqlite'}"
    engine, name = request.getfixturevalue("postgresql"), f"test_{uuid.uuid4().hex}"
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    return engine.url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def ask(store_url):
    """Ask a model described by keywords, with a store that outlives the call; return the replies."""

    def run(
        requests, transport=None, *, replay=False, max_repairs=2, budget_usd=None, ledger=None, limits=None, **described
    ):
        described = {"name": "m", "base_url": "http://model.invalid/v1", "id": "m-1"} | described

        async def go():
            models = Models(
                Registry({"m": Model(**described)}),
                CallStore(store_url),
                replay=replay,
                max_repairs=max_repairs,
                transport=transport,
                budget_usd=budget_usd,
                ledger=ledger,
                limits=limits or {},
            )
            try:
                return await models.ask("m", requests, label="test")
            finally:
                await models.close()

        return asyncio.run(go())

    return run


@pytest.fixture
def make_request():
    """Make a request of one user message."""

    def make(text: str, **options) -> Request:
        return Request.of(Prompt("greeting", "abc", ({"role": "user", "content": text},)), **options)

    return make
