"""The worker's log: one line an act, with its job, CTID, step, node and UPID; text for people, JSON on request.

Celery sets up handlers and levels as it always does (`--loglevel`, `--logfile`); here they get a formatter, and what
any code logs in the run of a task gets that task's job, CTID and step. Celery's own two lines a task say nothing that
is not in ours, and show at the level DEBUG only. Known secrets are taken out of every line, whoever wrote it.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Literal, cast

import structlog
from celery import signals
from structlog.contextvars import bind_contextvars, clear_contextvars, merge_contextvars
from structlog.stdlib import ProcessorFormatter

from phoenix_producer.ctids import parse_ctid
from phoenix_producer.plain_text import plain_block
from phoenix_worker.durable.acts import Act, Kind, listeners

if TYPE_CHECKING:
    from collections.abc import Collection

    from structlog.typing import FilteringBoundLogger, Processor

    from phoenix_worker.proxmox.translate import Request

_SHORTEST_SECRET = 6
"""Shorter ones are found in innocent words, and are no secrets."""
_LONGEST = 8000
"""Characters of a line, or of a value in JSON. journald takes what is beyond 48 KiB for another line (LineMax)."""
_OF_EACH_TASK = ("celery.worker.strategy", "celery.app.trace")
_FIRST = ("timestamp", "level", "event", "job", "ctid", "step", "node", "upid")
_SAID = {
    Kind.BEGINS: (logging.INFO, "begins"),
    Kind.RUNS_AGAIN: (logging.INFO, "runs again"),
    Kind.WAITS: (logging.INFO, "{act.detail}"),
    Kind.TRIES_LATER: (logging.WARNING, "{act.detail}"),
    Kind.HOLDS: (logging.INFO, "has lock {act.on}"),
    Kind.ORDERED: (logging.INFO, "Proxmox task under way"),
    Kind.IN_STEPS: (logging.INFO, "continues as a chain of steps"),
    Kind.SUCCEEDED: (logging.INFO, "{told}"),
    Kind.FAILED: (logging.WARNING, "job failed: {told}"),
    Kind.CANCELLED: (logging.INFO, "job cancelled"),
    Kind.TAKEN_OVER: (logging.WARNING, "runs taken over from dead workers: {act.value}"),
    Kind.SENT_AGAIN: (logging.WARNING, "lost messages sent again: {act.value}"),
    Kind.WENT_BACK: (
        logging.WARNING,
        "Redis lost its last writes (it crashed, or a replica took over). Tasks whose end was lost are run again.",
    ),
}
_COMMON: tuple[Processor, ...] = (
    merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)

logger: FilteringBoundLogger = structlog.wrap_logger(
    logging.getLogger("phoenix_worker"),
    wrapper_class=structlog.stdlib.BoundLogger,
    processors=[structlog.stdlib.filter_by_level, *_COMMON, ProcessorFormatter.wrap_for_formatter],
)


_found_later: set[str] = set()


def hide(secret: str) -> None:
    """Take a secret that was read just now out of every line to come."""
    if len(secret) >= _SHORTEST_SECRET:
        _found_later.update((secret, json.dumps(secret)[1:-1]))


def use(log_format: Literal["text", "json"], secrets: Collection[str]) -> None:
    """Have every worker of this process log in this way, from Celery's setting up of its log on."""
    formatter = _Formatter(log_format, secrets)

    def reformat(*, logger: logging.Logger, loglevel: int, **_: Any) -> None:
        for handler in logger.handlers:
            handler.setFormatter(formatter)
        for name in _OF_EACH_TASK:
            logging.getLogger(name).setLevel(loglevel if loglevel <= logging.DEBUG else logging.WARNING)

    signals.after_setup_logger.connect(reformat, weak=False)
    signals.after_setup_task_logger.connect(reformat, weak=False)
    signals.task_postrun.connect(_forget_task, weak=False)
    listeners.append(log)


def log(act: Act) -> None:
    """Write the line of an act."""
    if act.kind in {Kind.BEGINS, Kind.RUNS_AGAIN}:
        clear_contextvars()
        bind_contextvars(**_whose(act))
    level, event = _SAID[act.kind]
    if act.kind is Kind.HOLDS and not act.seconds:
        level = logging.DEBUG
    line = event.format(act=act, told=_told(act))
    logger.log(level, " | ".join(line.splitlines()), **_besides(act))


def log_call(request: Request, status: str, seconds: float) -> None:
    """Write the line of one call to Proxmox."""
    logger.debug("called Proxmox", method=request.method, path=request.path, status=status, seconds=round(seconds, 3))


def _whose(act: Act) -> dict[str, str]:
    subject = {"ctid": act.subject} if parse_ctid(act.subject) else {}
    return {"job": repr(act.job)[1:-1], **subject, "step": act.task.removeprefix("phoenix.")}


def _told(act: Act) -> str:
    if act.kind is Kind.FAILED:
        return str(act.value.get("message", "")) if isinstance(act.value, dict) else str(act.value)
    return "job done" if act.end is not None and act.end.took is not None else "done"


def _besides(act: Act) -> dict[str, Any]:
    value = act.value if isinstance(act.value, dict) else {}
    fields: dict[str, Any] = {**act.about, "upid": act.upid, "waited": act.seconds}
    fields |= {name: value.get(name) for name in ("upid", "seconds", "outcome", "cause", "remedy") if name in value}
    if act.end is not None and act.end.took is not None:
        fields["took"] = round(act.end.took, 3)
    return {name: told for name, told in fields.items() if told}


def _forget_task(**_: Any) -> None:
    clear_contextvars()


class _Formatter(ProcessorFormatter):
    """Renders every record, ours and others'. Never with the values of local variables, which may be secrets."""

    def __init__(self, log_format: Literal["text", "json"], secrets: Collection[str]) -> None:
        as_text: list[Processor] = [
            structlog.dev.ConsoleRenderer(
                colors=False,
                pad_event_to=0,
                sort_keys=False,
                exception_formatter=structlog.dev.plain_traceback,
            )
        ]
        as_json: list[Processor] = [
            structlog.processors.format_exc_info,
            _cut,
            structlog.processors.JSONRenderer(default=str),
        ]
        super().__init__(
            foreign_pre_chain=_COMMON,
            processors=[
                ProcessorFormatter.remove_processors_meta,
                _in_order,
                *(as_json if log_format == "json" else as_text),
            ],
        )
        self._as_json = log_format == "json"
        long_enough = {one for one in secrets if len(one) >= _SHORTEST_SECRET}
        escaped = {json.dumps(one)[1:-1] for one in long_enough}
        self._secrets = sorted(long_enough | escaped, key=len, reverse=True)

    def format(self, record: logging.LogRecord) -> str:
        """Render a record, take known secrets out of it, and make text of others harmless to a terminal.

        Further lines are indented, and none is so long that journald would break it: nothing that somebody has put into
        a name passes for a line of ours.
        """
        text = super().format(record)
        for secret in (*self._secrets, *sorted(_found_later, key=len, reverse=True)):
            text = text.replace(secret, "***")
        return plain_block(text) if self._as_json else "\n".join(map(_shortened, plain_block(text).split("\n")))


def _in_order(_: Any, __: str, line: Any) -> Any:
    first = {name: line[name] for name in _FIRST if name in line}
    return cast("Any", first | line)


def _cut(_: Any, __: str, line: Any) -> Any:
    """Cut the values of a line of JSON, which is one line whatever is in it."""
    return {name: _shortened(value) if isinstance(value, str) else value for name, value in line.items()}


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
