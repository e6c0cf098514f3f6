"""What a durable task publishes is in the ledger first, together with the end of the run that it follows from."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, ClassVar, Never, cast
from uuid import UUID, uuid5

from celery import Task, current_task
from kombu.exceptions import EncodeError
from redis import RedisError

from phoenix_producer.client.record import Outgoing, recording
from phoenix_producer.client.redis_words import words_of
from phoenix_producer.contract import QUEUE, RESUME_QUEUE, UPKEEP_QUEUE, queue_of
from phoenix_worker.durable.acts import STATES, Act, Kind, tell
from phoenix_worker.durable.crash_points import reached
from phoenix_worker.durable.messages import chord_body, passed_on, successor
from phoenix_worker.durable.patience import SENDING_TROUBLE, patience
from phoenix_worker.durable.run import Answer, End, Run, current_run
from phoenix_worker.durable.shown import REQUEST, shown_end, shown_request

if TYPE_CHECKING:
    from collections.abc import Mapping

    from celery.canvas import Signature
    from celery.result import AsyncResult

    from phoenix_worker.durable.engine import Engine
    from phoenix_worker.durable.results import PatientBackend

logger = logging.getLogger(__name__)


_NOT_OURS = ("retry_policy", "expires", "eta", "countdown", "exchange", "routing_key", "time_limit", "soft_time_limit")
"""Options of a signature that would send it elsewhere, have it ended behind the ledger's back, or hold a slot."""


def _ours(options: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in options.items() if name not in _NOT_OURS}
    queue = options.get("queue")
    return kept | {"queue": queue if queue in (RESUME_QUEUE, UPKEEP_QUEUE) else QUEUE}


def link_id(task_id: str, generation: int, position: int) -> str:
    """Return the id of a link, but the last, of what replaces a task of a generation."""
    return str(uuid5(UUID(task_id), f"{generation}/{position}"))


class UnrecordedError(EncodeError):
    """Redis refuses to have a message recorded.

    Celery has a task fail of this also where it publishes what follows it.
    """


class PublishingTask(Task[Any, Any]):
    """A task whose messages are recorded before they are sent, and have ids that a second run gives them again."""

    abstract = True
    Request = REQUEST
    engine: ClassVar[Engine]
    typing = False
    """Arguments are checked where they are read, with an answer: Celery's check would end whoever publishes them."""
    begins_job = False
    """Whether a message of this task is a request of its own, also when another task publishes it."""
    store_errors_even_if_ignored = True
    """Nobody reads the value of a link; its failure is also that of the links to come."""

    def replace(self, sig: Signature) -> Never:
        """Celery's own `replace`, by a task or a chain, with derived ids, so that doing it twice is doing it once."""
        links: list[Signature] = list(getattr(sig, "tasks", [sig]))
        for link in links:
            link.set(queue=RESUME_QUEUE)  # what is under way overtakes what is new
        for position, link in enumerate(links[:-1]):
            link.options.update(task_id=self.link_id(position), ignore_result=True)  # its value is in the job's steps
        links[-1].options["ignore_result"] = self.request.ignore_result
        links[-1].set(shadow=self.request.shadow or self.name)  # in Flower it is what it ends, and has its id
        super().replace(sig)
        raise AssertionError("Task.replace always raises Ignore in a worker")

    def link_id(self, position: int) -> str:
        """Return the id of a link, but the last, of what replaces this task: the same in every run."""
        return link_id(str(self.request.id), self.generation, position)

    @property
    def generation(self) -> int:
        """How often this task was replaced by a chain that ends in itself."""
        return int(self.request.get("replaced_task_nesting") or 0)

    def ask(
        self, request: str, args: tuple[Any, ...], options: Mapping[str, Any], name: str, *, request_id: str = ""
    ) -> str:
        """Publish a request, of a task's name; returns its id, by default derived so that it is sent once.

        One that is known already begins nothing.
        """
        request_id = request_id or str(uuid5(UUID(self.request.id), name))
        queue = queue_of(request, options)
        self.app.tasks[request].apply_async(args=args, kwargs=dict(options), task_id=request_id, queue=queue)
        return request_id

    def on_replace(self, sig: Signature) -> Any:
        """Publish the first child: the publish hook records it together with the parent's end."""
        reached("before-replace-recorded")
        run = current_run.get()
        if run is not None:
            run.replacing = True
        return super().on_replace(sig)

    def apply_async(self, *args: Any, **options: Any) -> AsyncResult[Any]:
        """Publish a message that is recorded first. Once it is, `due` sends it if the broker is away just now.

        Raises UnrecordedError if Redis refuses to have it recorded: workers drop what was sent all the same.
        """
        recorded: list[Outgoing] = []
        refused: list[RedisError] = []
        options = _ours(options)

        def recorder(outgoing: Outgoing) -> None:
            try:
                self._record(outgoing)
            except RedisError as error:  # Celery logs it, and goes on
                refused.append(error)
                raise
            recorded.append(outgoing)

        result = None
        while result is None:
            try:
                with recording(recorder):
                    result = super().apply_async(*args, **options)
            except Exception as error:
                if recorded:
                    logger.warning(
                        "%s could not be sent (%s); it is in the ledger and is sent later.", self.name, error
                    )
                    result = self.AsyncResult(recorded[0].id)
                elif isinstance(error, AttributeError) or not isinstance(error, SENDING_TROUBLE):
                    raise
                else:
                    patience.until_answered(self.engine.ledger.client.ping)
        if refused and not recorded:
            raise UnrecordedError(words_of(str(refused[0])))
        for point, expected in (("successor-published", successor()), ("chord-body-published", chord_body())):
            if recorded and recorded[0].id == expected:
                reached(point)
        return result

    def tell_of(self, run: Run, kind: Kind, detail: str = "", *, on: str = "", **more: Any) -> None:
        """Report what a task did to all listeners, and show in Flower what state it is in now."""
        running = current_task or self  # a task that is published by another one is not the one that acts
        args = running.request.args or ("",)
        tell(Act(kind, running.name, run.id, run.job, str(args[0]), run.about, on, detail, **more))
        if kind in STATES:
            state = f"task-{kind}{f'-{on}' if kind is Kind.WAITS else ''}"
            self.engine.events.send(state, run.id, hostname=running.request.hostname, result=detail)
        end = more.get("end")
        if end is not None:
            shown = self.shown_arguments(repr(args))
            fields = shown_end(more["value"], ok=kind is Kind.SUCCEEDED, arguments=shown)
            fields |= shown_request(end) if run.id == run.job else {}
            self.engine.events.end(run.id, hostname=running.request.hostname, **fields)

    def shown_arguments(self, told: str) -> str:
        """Return what Flower shows of a message's arguments, as Celery told them."""
        return told

    def answer_for_others(self, run: Run, told: Any) -> Answer:
        """Return what is stored for those who share the run of a job, and are told this."""
        return cast("PatientBackend", self.backend).answer(run.id, told, "SUCCESS", request=self.request)

    def for_others(self, value: Any, job: str) -> Any:  # noqa: ARG002 - for those who say more
        """Return what those are told who share a run: the same value unless they are told something else.

        `job` stands for the id of its job.
        """
        return value

    def show_failed(self, job: str, end: End, error: BaseException) -> None:
        """Show tasks as failed that ended with the failure of this one: Celery sends no event for them."""
        for task_id in end.replaced:
            more = shown_request(end) if task_id == job else {}
            hostname = self.request.hostname
            self.engine.events.send("task-failed", task_id, hostname=hostname, exception=repr(error), **more)

    def _record(self, outgoing: Outgoing) -> None:
        run = current_run.get()
        ledger = self.engine.ledger
        if run is not None:
            outgoing.headers.update(passed_on(run, asks=self.begins_job and outgoing.id != run.id))
        if run is None or not (run.replacing or outgoing.id == successor()):
            dispatching = outgoing.id == chord_body()
            if dispatching:
                reached("chord-claimed")
            ledger.call("record", outgoing.id, outgoing.generation, outgoing.entry(outgoing.id))
            if dispatching:
                reached("chord-body-recorded")
            return
        job = outgoing.id if self.begins_job and outgoing.id != run.id else run.job
        entry = outgoing.entry(job, seq="" if job == outgoing.id != run.job else run.seq)
        follows = (run.id, run.number, outgoing.id, outgoing.generation, entry)
        if run.replacing:
            run.replacing = False
            ledger.call("replace", *follows)
            run.over = True
            reached("replace-recorded")
            self.tell_of(run, Kind.IN_STEPS)
        else:
            # The last link ends its job with its own end, whoever wants its result. `self` is the successor.
            is_over = bool(current_task.request.ignore_result) and run.id != run.job
            ledger.call("land", *follows, json.dumps(run.value), RESUME_QUEUE if is_over else "")
            run.over, run.landed_now = is_over, True
            reached("successor-recorded")
            if run.over:
                self.tell_of(run, Kind.SUCCEEDED, value=run.value, end=End())
