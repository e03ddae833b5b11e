"""Python commands and kernels that are forked instead of started: processes of their own, without seconds of imports.

In: the words after ``python``, a working folder, an environment. Out: a process. One process, the template, has
imported what studies need; it is started when it is first asked and ends with the test session. A test whose subject
is a process itself (signals, limits, what is imported) starts Python as everybody does.
"""

import array
import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from functools import partial
from pathlib import Path
from types import SimpleNamespace

from filelock import FileLock

import conflictscope

# beside all of the project's own modules: what kernels and commands import whose start is waited for
IMPORTED = (
    *("IPython.display", "ipykernel.kernelapp", "ipykernel.ipkernel", "matplotlib_inline.backend_inline"),
    *("papermill.cli", "papermill.engines", "seaborn", "sklearn.feature_extraction.text", "jupyterlab.labapp"),
    *("statsmodels.genmod.generalized_linear_model", "ipywidgets", "anywidget"),
    # and the servers
    "aiohttp.web",
)
_LARGEST = 1 << 20
_POLL_S = 0.02


class Process:
    """A forked process, as far as ``subprocess.Popen`` is used of one."""

    stdin = stdout = stderr = None

    def __init__(self, address, words, *, cwd=None, env=None, streams=(0, 1, 2), session=False):
        self.returncode = None
        request = {"words": words, "cwd": str(cwd or Path.cwd()), "env": dict(env or os.environ), "session": session}
        self._template = socket.socket(socket.AF_UNIX)
        self._template.connect(str(address))
        socket.send_fds(self._template, [json.dumps(request).encode() + b"\n"], streams)
        self._answers = self._template.makefile("r")
        self.pid = int(self._answers.readline())

    def poll(self):
        """Return the exit code, negative for a signal, or None while the process runs."""
        if self.returncode is None and select.select([self._template], [], [], 0)[0]:
            line = self._answers.readline()
            self.returncode = int(line) if line else -signal.SIGKILL
            self._answers.close()
            self._template.close()
        return self.returncode

    def wait(self, timeout=None):
        """Wait until the process has ended."""
        if self.returncode is None and not select.select([self._template], [], [], timeout)[0]:
            raise subprocess.TimeoutExpired("a forked process", timeout)
        return self.poll()

    def send_signal(self, number):
        """Send a signal, unless the process has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self):
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self):
        """End the process."""
        self.send_signal(signal.SIGKILL)


class Command(Process):
    """A forked ``python`` with these words, whose output is caught."""

    def __init__(self, address, words, *, cwd=None, env=None):
        self._caught = [tempfile.TemporaryFile() for _ in range(2)]  # noqa: SIM115
        with open(os.devnull) as nothing:
            streams = [file.fileno() for file in (nothing, *self._caught)]
            super().__init__(address, [str(word) for word in words], cwd=cwd, env=env, streams=streams)

    def communicate(self, timeout=600):
        """Wait until the process has ended and return its output and its errors."""
        try:
            self.wait(timeout)
        except BaseException:
            self.kill()
            raise
        return self.printed()

    def printed(self):
        """Return the output and the errors until now."""
        # the place in a file is the process's too, and must not be moved
        caught = [os.pread(file.fileno(), os.fstat(file.fileno()).st_size, 0) for file in self._caught]
        return tuple(content.decode("utf-8", "replace") for content in caught)


def fork_kernels(address_of):
    """Let every kernel that this process launches be forked by the template; it is started when it is first needed."""
    from jupyter_client.provisioning import local_provisioner

    def launch(command, stdin=None, stdout=None, stderr=None, env=None, independent=False, cwd=None, **options):
        env = dict(env or os.environ) | {"JPY_PARENT_PID": str(os.getpid())}
        with open(os.devnull) as nothing:
            given = [nothing if stdin is None else stdin, stdout or 1, stderr or 2]
            streams = [stream if isinstance(stream, int) else stream.fileno() for stream in given]
            return Process(address_of(), command[1:], cwd=cwd, env=env, streams=streams, session=True)

    local_provisioner.launch_kernel = launch


def fork_studies(address):
    """Let every study that this process starts beside others be forked by the template."""
    from conflictscope.study import several

    def start(command, *, stdin, stdout, stderr, text, start_new_session, env, cwd):
        assert (stdin, stdout, stderr, text) == (subprocess.PIPE, subprocess.PIPE, subprocess.STDOUT, True)
        (read, asked), (answered, write) = os.pipe(), os.pipe()
        process = Process(address, command[1:], cwd=cwd, env=env, streams=(read, write, write), session=True)
        for stream in (read, write):
            os.close(stream)
        process.stdin, process.stdout = os.fdopen(asked, "w"), os.fdopen(answered)
        return process

    several.subprocess = SimpleNamespace(Popen=start, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT)


def start_template(folder, owner, hashes="1"):
    """Return the address of a template of a test session, whose main process is `owner`; start it if it is not there.

    All workers of the session share `folder`, and with it the template. What it forks has its seed of hashes, `hashes`:
    where nothing may depend on the order of a set, a test compares what came out of two templates.
    """
    address = Path(folder) / f"template-{hashes}"
    with FileLock(address.with_suffix(".lock")):
        if not address.exists():
            with address.with_suffix(".log").open("w") as log, open(os.devnull) as nothing:
                command = [sys.executable, __file__, str(address), str(owner)]
                environment = os.environ | {"PYTHONHASHSEED": hashes}
                streams = {"stdin": nothing, "stdout": log, "stderr": log}
                subprocess.Popen(command, env=environment, start_new_session=True, **streams)
            deadline = time.monotonic() + 600
            while not address.exists():
                assert time.monotonic() < deadline, address.with_suffix(".log").read_text()
                time.sleep(_POLL_S)
    return address


def template_of(config, hashes="1"):
    """Return the address of the template of a pytest session; all its workers have the same."""
    base = config._tmp_path_factory.getbasetemp()
    worker = hasattr(config, "workerinput")
    return start_template(base.parent if worker else base, os.getppid() if worker else os.getpid(), hashes)


def pytest_collection_finish(session):
    """As a plugin of pytest: let the kernels that tests launch themselves be forked."""
    fork_kernels(partial(template_of, session.config))


def _serve(address, owner):
    """Be the template: fork for whoever asks, and tell how the children ended, until the session's owner is gone."""
    own = [module.name for module in pkgutil.walk_packages(conflictscope.__path__, "conflictscope.")]
    for name in (*IMPORTED, *(name for name in own if not name.endswith("__main__"))):
        importlib.import_module(name)
    fork_kernels(lambda: address)
    fork_studies(address)
    gc.collect()
    gc.freeze()
    listener = socket.socket(socket.AF_UNIX)
    # there only once it answers
    listener.bind(f"{address}.new")
    listener.listen(64)
    os.rename(f"{address}.new", address)
    woken, wake = socket.socketpair()
    wake.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda number, frame: None)
    signal.set_wakeup_fd(wake.fileno())
    asked = {}
    while True:
        ready = select.select([listener, woken, *asked.values()], [], [], 1)[0]
        if listener in ready:
            connection = listener.accept()[0]
            request, streams = _receive(connection)
            assert threading.active_count() == 1
            if not (pid := os.fork()):
                if request["session"]:
                    os.setsid()
                # only now: whoever asked may want to know its group
                connection.sendall(f"{os.getpid()}\n".encode())
                for other in (listener, woken, wake, connection, *asked.values()):
                    other.close()
                _become(request, streams)
            for stream in streams:
                os.close(stream)
            asked[pid] = connection
        if woken in ready:
            woken.recv(4096)
        for pid in [pid for pid, connection in asked.items() if connection in ready]:
            # whoever asked is gone, and its child with it
            os.kill(pid, signal.SIGKILL)
            asked.pop(pid).close()
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG)) != (0, 0):
                if connection := asked.pop(ended[0], None):
                    with contextlib.suppress(OSError):
                        connection.sendall(f"{os.waitstatus_to_exitcode(ended[1])}\n".encode())
                    connection.close()
        if not _is_running(owner):
            os._exit(0)


def _receive(connection):
    """Return what is asked for, and the three streams that come with it."""
    size = array.array("i").itemsize
    content, ancillary, _, _ = connection.recvmsg(_LARGEST, socket.CMSG_LEN(3 * size))
    streams = array.array("i", b"".join(data for _, _, data in ancillary))
    while not content.endswith(b"\n"):
        content += connection.recv(_LARGEST)
    return json.loads(content), list(streams)


def _is_running(owner):
    try:
        os.kill(owner, 0)
    except ProcessLookupError:
        return False
    return True


def _become(request, streams):
    """Be what ``python`` with these words would be, in this child; never return."""
    code = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["env"])
        # read from the environment by whoever imports them first
        tempfile.tempdir = None
        words = request["words"]
        while words[0].startswith("-X"):
            words = words[1:]
        sys.path[0] = request["cwd"]
        code = _run(words)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _run(words):
    """Run a module, a text or a file as the main one, and return the exit code."""
    if "ipykernel_launcher" in words:
        import matplotlib

        # what matplotlib reads from the environment when a kernel imports it
        matplotlib.rcParams["backend"] = "module://matplotlib_inline.backend_inline"
    try:
        if words[0] == "-m":
            sys.argv = words[1:]
            runpy.run_module(words[1], run_name="__main__", alter_sys=True)
        elif words[0] == "-c":
            sys.argv = ["-c", *words[2:]]
            exec(compile(words[1], "<string>", "exec"), {"__name__": "__main__"})
        else:
            sys.argv = list(words)
            sys.path[0] = str(Path(words[0]).absolute().parent)
            runpy.run_path(words[0], run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    threading._shutdown()
    atexit._run_exitfuncs()
    return code


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), int(sys.argv[2]))
