"""Studies on a Dask cluster of two worker processes, one of which is killed."""

import os
import signal
import socket
import subprocess
import sys
import time

import pytest

from conflictscope.table_files import table_path

pytest.importorskip("distributed", reason="the optional extra cluster is not installed")
CONCURRENCY = 4
FIRST, SECOND = "01_generate_scenarios", "02_filter_scenarios"
MODELS = """
models:
  m: {{base_url: "http://127.0.0.1:{port}/v1", id: m, json_schema: true, concurrency: {concurrency}}}
casts:
  simulated: {{author: m, filter_judge: m, simulated_user: m, judge: m, targets: [m], embedder: tfidf}}
"""


@pytest.fixture
def cluster(tmp_path):
    """The address of a scheduler with two workers, each a process of its own."""
    address_file, log = tmp_path / "scheduler.json", tmp_path / "dask.log"
    quiet = ["--no-dashboard", "--scheduler-file", str(address_file)]
    commands = [["dask_scheduler", "--host", "127.0.0.1", "--port", "0"]]
    commands += [["dask_worker", "--nthreads", "1", "--no-nanny", "--local-directory", str(tmp_path)]] * 2
    with log.open("w") as out:
        processes = [
            subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{command[0]}", *command[1:], *quiet],
                stdout=out,
                stderr=out,
                cwd=tmp_path,
            )
            for command in commands
        ]
        from distributed import Client

        with Client(scheduler_file=str(address_file), timeout=300) as client:
            client.wait_for_workers(2, timeout=300)
            yield client
        for process in processes:
            process.kill()
            process.wait()


def test_a_notebook_whose_worker_is_lost_runs_elsewhere_and_a_signal_stops_one(
    cluster, project, loopback, wait_for, quiet, start_python
):
    models = project / "params" / "models.yaml"
    models.write_text(MODELS.format(port=loopback.port, concurrency=CONCURRENCY), encoding="utf-8")
    for name, outlines in (("short", 24), ("long", 200)):
        text = f"value_set: hhh\noutlines_per_pair: {outlines}\n"
        (project / "params" / f"{name}.yaml").write_text(text, encoding="utf-8")

    def start(*words):
        settings = ("--set", "outlines_per_call=1", "--scheduler", cluster.scheduler.address)
        return start_python(["-m", "conflictscope", "run", *words, *settings], cwd=project)

    process = start("params/short.yaml", "--only", FIRST, "--only", SECOND)
    wait_for(loopback, 10, process)
    (busy,) = [worker for worker, keys in cluster.processing().items() if keys]
    os.kill(cluster.run(os.getpid)[busy], signal.SIGKILL)
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors[-2000:]
    assert f"{FIRST}: done" in printed and f"{SECOND}: done" in printed and "short: 2 notebooks ran" in printed
    assert all(table_path(project / "runs" / "short", name).exists() for name in ("scenarios", "checks"))
    counted = loopback()
    # at most what was on the wire when the notebook was stopped
    assert 10 < counted["total"] <= counted["distinct"] + CONCURRENCY

    process = start("params/long.yaml")
    wait_for(loopback, counted["total"] + 20, process)
    process.send_signal(signal.SIGTERM)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 128 + signal.SIGTERM, errors[-2000:]
    assert "give the same command again" in printed
    while any(cluster.processing().values()):
        time.sleep(0.2)
    asked = quiet(loopback)
    assert asked < counted["total"] + 600

    process = start("params/long.yaml")
    wait_for(loopback, asked + 20, process)
    cluster.shutdown()
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 1 and "was lost; give the same command again" in errors
    assert "Traceback" not in errors, errors


def test_a_scheduler_that_is_not_there_is_a_sentence(project, run_python):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        free_port = free.getsockname()[1]
    environment = os.environ | {"DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "2"}
    words = ("run", "params/hhh.yaml", "--scheduler", f"tcp://127.0.0.1:{free_port}")
    refused = run_python("-m", "conflictscope", *words, cwd=project, env=environment)
    assert refused.returncode == 1 and "Traceback" not in refused.stderr
    assert f"127.0.0.1:{free_port}" in refused.stderr
