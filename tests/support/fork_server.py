"""A process that has imported what a worker needs, and forks itself for each worker: imports are most of a start.

`python -m tests.support.fork_server SOCKET`: each connection sends one line of JSON (the arguments of `celery`, the
environment, the directory, the log), is told the pid, and at the end the exit code. What is forked is a process like
any other: a group of its own, its own files, nothing but the given environment.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

_IMPORTED = (
    "celery.app.control",
    "celery.apps.worker",
    "celery.backends.redis",
    "celery.bin.celery",
    "celery.concurrency.prefork",
    "celery.concurrency.thread",
    "celery.worker.consumer",
    "celery.worker.pidbox",
    "celery.worker.worker",
    "kombu.transport.redis",
    "phoenix_producer.client.producer",
    "phoenix_worker.app",
)
_DIE_WITH_PARENT = 1


def main(address: str) -> int:
    """Serve until killed; in a forked process, the exit code of its `celery`."""
    for name in _IMPORTED:
        importlib.import_module(name)
    gc.freeze()  # or each forked process copies all that there is as soon as it collects
    with socket.socket(socket.AF_UNIX) as listening, selectors.DefaultSelector() as selector:
        listening.bind(address)
        listening.listen()
        ended, tell = os.pipe()
        os.set_blocking(tell, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(tell)
        selector.register(listening, selectors.EVENT_READ)
        selector.register(ended, selectors.EVENT_READ)
        print("ready", flush=True)  # noqa: T201 - whoever started it waits for it
        asking: dict[int, socket.socket] = {}
        while True:
            for key, _ in selector.select():
                if key.fileobj is listening:
                    connection, _ = listening.accept()
                    request = json.loads(connection.makefile().readline())
                    pid = os.fork()
                    if pid == 0:
                        break
                    asking[pid] = connection
                    connection.sendall(f"{pid}\n".encode())
                else:
                    os.read(ended, 4096)
                    _tell_of_ends(asking)
            else:
                continue
            break
        signal.set_wakeup_fd(-1)
        for one in (*asking.values(), connection):
            one.close()
    os.close(ended)
    os.close(tell)
    return _become(request)


def _tell_of_ends(asking: dict[int, socket.socket]) -> None:
    with suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            with suppress(OSError), asking.pop(pid) as connection:
                connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _become(request: dict[str, Any]) -> int:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGKILL)
    os.setpgid(0, 0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    for file, number in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(file, number)
    os.close(nothing)
    os.close(log)
    os.environ.clear()
    os.environ.update(request["environ"])
    os.chdir(request["directory"])
    sys.argv = ["celery", *request["arguments"]]
    try:
        importlib.import_module("celery.__main__").main()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
