"""The demo from its first line to its last: start everything, ensure, look, ensure again."""

from __future__ import annotations

import shlex
import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from queue import Empty, SimpleQueue
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from phoenix_producer import EnsureFailed, EnsureResult, Producer, Progress, Unreachable
from phoenix_producer.cli.live_lines import display_for
from phoenix_worker.commands.demo import parts as demo_parts
from phoenix_worker.commands.demo.ending import Ended, undisturbed
from phoenix_worker.commands.demo.parts import DemoFailed
from phoenix_worker.commands.demo.proof import broken_promises, listed, not_applied, standing, steps_of_all_jobs
from phoenix_worker.commands.demo.stage import Stage, set_up

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_producer import Handles
    from phoenix_worker.commands.demo.screen import Screen

_LOOK_SECONDS = 0.25
_TOO_SOON_SECONDS = 5.0
"""A worker that ends this soon after its start would do so again."""


def run(screen: Screen, *, catalog: Path | None, clone_seconds: float, keep: bool) -> None:
    """Run it. Whatever was started is stopped, however it ends. Raises DemoFailed, after showing it on the screen."""
    with TemporaryDirectory(prefix="phoenix-demo-") as name, ExitStack() as started:
        try:
            stage = set_up(screen, started, Path(name), catalog=catalog, clone_seconds=clone_seconds, page=keep)
            with Producer(stage.redis_url, requester="demo") as producer:
                _show(screen, stage, producer)
            if keep:
                _keep(screen, stage, started)
        except DemoFailed as failure:
            screen.failed(str(failure), failure.log)
            raise
        finally:
            undisturbed()
    screen.say("Stopped", "every process; nothing is left behind.")


def _show(screen: Screen, stage: Stage, producer: Producer) -> None:
    asked = ", ".join(map(str, stage.ctids))
    screen.headline(f"Ensure {asked} on an empty node")
    first = _ensured(stage, producer)
    steps = steps_of_all_jobs(stage.redis_url)
    found = standing(stage.proxmox, stage.nodes, stage.catalog, steps)
    screen.headline(f"What Proxmox holds now on {', '.join(stage.nodes)}")
    screen.standing(found)
    if stage.left_out:
        screen.sentence(f"Left out of the example, because the simulated node has no shell: {listed(stage.left_out)}.")
    if unused := not_applied(first):
        screen.sentence(f"Declared but not applied, because the simulated node has no shell: {listed(unused)}.")
    screen.headline("When what was done")
    screen.timeline(steps)
    screen.headline(f"Ensure {asked} again")
    began = time.monotonic()
    again = _ensured(stage, producer, quietly=True)
    seconds = time.monotonic() - began
    screen.sentence(f"{', '.join(f'{result.ctid} {result.outcome}' for result in again)}: all in {seconds:.2f} s.")
    broken = list(broken_promises(stage.catalog, stage.ctids, found, steps, again))
    if broken:
        raise DemoFailed("\n  ".join(["It is not as promised:", *broken]), stage.worker.log)


def _ensured(stage: Stage, producer: Producer, *, quietly: bool = False) -> list[EnsureResult]:
    """Ask for everything and show what happens until all of it is done."""
    try:
        handles = producer.ensure_many(stage.ctids, accept_not_applied=True)
        with display_for(handles, as_json=quietly) as display:
            for progress in _watched(handles, stage):
                display.show(progress)
        return [handle.wait(0) for handle in handles]
    except EnsureFailed as error:
        raise DemoFailed(f"{error.failure.ctid} was not ensured. {error}", stage.worker.log) from error
    except TimeoutError as error:
        raise DemoFailed(str(error), stage.worker.log) from error
    except Unreachable as error:
        raise DemoFailed(str(error), stage.directory / "redis" / "redis.log") from error


def _watched(handles: Handles[EnsureResult], stage: Stage) -> Iterator[Progress]:
    """Yield the progress of the jobs. Raises DemoFailed if a part of the stage ends by itself."""
    news: SimpleQueue[Progress | Exception | None] = SimpleQueue()

    def read() -> None:
        try:
            for progress in handles.progress(stage.longest_seconds):
                news.put(progress)
            news.put(None)
        except Exception as error:  # noqa: BLE001 - raised where it is read
            news.put(error)

    threading.Thread(target=read, name="progress", daemon=True).start()
    while True:
        try:
            progress = news.get(timeout=_LOOK_SECONDS)
        except Empty:
            stage.check()
            continue
        if progress is None:
            return
        if isinstance(progress, Exception):
            raise progress
        yield progress


def _from_anywhere(command: str) -> str:
    """Return a command so that it is found in any directory; one without a slash is found on PATH anyway."""
    return str(Path(command).absolute()) if "/" in command else command


def _keep(screen: Screen, stage: Stage, started: ExitStack) -> None:
    """Show what there is to look at, and wait for Ctrl-C."""
    flower_url = started.enter_context(demo_parts.flower(stage.directory, stage.redis_url))
    access = stage.simulator.access
    command, from_there = shlex.quote(sys.argv[0]), shlex.quote(_from_anywhere(sys.argv[0]))
    accepted = "" if stage.left_out else " --accept-not-applied"
    screen.headline("Everything keeps running. Look around; Ctrl-C ends it.")
    screen.say("Page", stage.page_url)
    screen.say("Flower", f"{flower_url} (its login, for its API too: {demo_parts.FLOWER_LOGIN})")
    screen.say("Proxmox", stage.simulator.url)
    screen.plain(
        f"\n  curl --cacert {shlex.quote(str(access.ca_file))} \\\n"
        f"    -H 'Authorization: PVEAPIToken={access.token_id}={access.token_value}' \\\n"
        f"    {stage.simulator.url}/api2/json/nodes/{stage.simulator.node}/lxc\n"
        f"\n  export PHOENIX_REDIS_URL={shlex.quote(stage.redis_url)}\n"
        f"  {command} ensure {stage.ctids[0]}{accepted}\n"
        f"  {command} --redis-url {shlex.quote(stage.redis_url)} plan --all{accepted}\n"
        f"\nThe catalog, to change something in it and ensure again:\n"
        f"  {stage.catalog_file}\n"
        f"What a worker needs, and one worker more:\n"
        f"  cd {shlex.quote(str(stage.directory))}\n"
        f"  {from_there} check{accepted}\n"
        f"  {from_there} worker --hostname second@%h\n"
    )
    worker, restarted = stage.worker, -_TOO_SOON_SECONDS
    try:
        while True:
            stage.simulator.part.check()
            if not worker.child.running():
                if time.monotonic() - restarted < _TOO_SOON_SECONDS:
                    worker.check()
                screen.say("Worker", "it ended by itself and is started again, as systemd or compose would.")
                restarted = time.monotonic()
                worker = started.enter_context(demo_parts.worker(stage.directory))
            time.sleep(_LOOK_SECONDS)
    except Ended:
        return
