"""What a requester holds of its requests: wait for their answers, follow their jobs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload
from uuid import uuid4

from pydantic import ValidationError

from phoenix_producer.contract import (
    CANCEL,
    Cancelled,
    ContractError,
    EnsureFailed,
    Failure,
    ProgressKind,
)
from phoenix_producer.contract import Answer as Answered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from uuid import UUID

    from phoenix_producer.client.channel import Channel
    from phoenix_producer.contract import Progress

Answer = TypeVar("Answer")

_OLDER_WORKERS = "The workers do not know this request: they are older than the client. Upgrade the workers."
_IDLE_SECONDS = 1.0
_LAST_LOOK_SECONDS = 0.1
"""The history ends this much after the result at the latest: a worker stores the result first."""
_ENDS = (ProgressKind.DONE, ProgressKind.FAILED, ProgressKind.CANCELLED)


class Handle(Generic[Answer]):
    """One request. `id` is Celery's task id; `ctid` is None for a request that is about no single container.

    `subject` says in messages what it is about.
    """

    def __init__(
        self, link: Channel, request_id: str, ctid: int | None, read: Callable[[Any], Answer], subject: str = ""
    ) -> None:
        self.id = request_id
        self.ctid = ctid
        self._link = link
        self._read = read
        about = subject or (f"CTID {ctid}" if ctid else "")
        self._about = about and f" for {about}"

    def __repr__(self) -> str:
        return f"<Handle of request {self.id}{self._about}>"

    def done(self) -> bool:
        """Return True once the request has ended, in success or failure. Raises Unreachable."""
        return self._link.answer(self.id) is not None

    def wait(self, timeout: float | None = None) -> Answer:
        """Return the answer, as soon as there is one. `timeout` is in seconds; without one it waits for ever.

        Raises EnsureFailed if the request failed, TimeoutError if there is no answer in time (the job goes on), and
        Unreachable if Redis is away for longer than a few seconds (the job goes on; wait again).
        Raises ContractError for an answer of a newer worker that this version cannot read.
        """
        answer = self._link.answer(self.id) or self._link.wait_for_answer(self.id, timeout)
        if answer is None:
            raise TimeoutError(f"Request {self.id}{self._about} has not ended in time; it goes on.")
        if answer["status"] != "SUCCESS":
            raise self._failed(answer["status"], answer["result"])
        try:
            return self._read(answer["result"])
        except ValidationError as error:
            raise ContractError(
                f"The answer to request {self.id}{self._about} is not one that this version understands; "
                "install the phoenix-lxc that the workers have."
            ) from error

    def progress(self, timeout: float | None = None) -> Iterator[Progress]:
        """Iterate over the job's history from its beginning, and what is added, until the job ends.

        `timeout` is in seconds. Raises TimeoutError and Unreachable like `wait`, never EnsureFailed.
        """
        return follow(self._link, [self.id], timeout)

    def cancel(self) -> Handle[Cancelled]:
        """Ask that the job stop for this requester: others who share its run keep it. Raises Unreachable.

        What it was making is removed, and `wait` raises EnsureFailed with the cause `cancelled`.
        """
        return cancel(self._link, self.id)

    def _failed(self, status: str, error: Any) -> EnsureFailed:
        """Build what to raise from the exception that Celery stored as `{exc_type, exc_message, exc_module}`.

        It is not ours when the code of the worker broke, or when somebody revoked the task.
        """
        texts = error.get("exc_message") if isinstance(error, dict) else error
        arguments = texts if isinstance(texts, list) else [texts]
        try:
            failure = Failure.model_validate(arguments[0] if arguments else None)
            return EnsureFailed.of(failure.model_copy(update={"ctid": failure.ctid or self.ctid}))
        except ValidationError:
            kind = error.get("exc_type", status) if isinstance(error, dict) else status
            return EnsureFailed.of(
                Failure(
                    request_id=self.id,
                    ctid=self.ctid,
                    message=f"The request{self._about} ended as {status}: {kind}: {arguments}.",
                    cause="revoked" if status == "REVOKED" else "unexpected",
                    remedy=_OLDER_WORKERS if kind == "NotRegistered" else "See the log of the worker.",
                )
            )


class Handles(Sequence[Handle[Answer]]):
    """Requests that were made together, in the order in which they were made."""

    def __init__(self, link: Channel, handles: Iterable[Handle[Answer]]) -> None:
        self._link = link
        self._handles = tuple(handles)

    @overload
    def __getitem__(self, index: int) -> Handle[Answer]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Handle[Answer]]: ...
    def __getitem__(self, index: int | slice) -> Handle[Answer] | Sequence[Handle[Answer]]:
        return self._handles[index]

    def __len__(self) -> int:
        return len(self._handles)

    def wait(self, timeout: float | None = None) -> list[Answer]:
        """Return all answers, in order, when all have ended. `timeout` is in seconds and for all together.

        Raises an ExceptionGroup of EnsureFailed when any failed (each handle still answers for itself), and
        TimeoutError and Unreachable like `Handle.wait`.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        answers: list[Answer] = []
        failures: list[EnsureFailed] = []
        for handle in self:
            try:
                answers.append(handle.wait(None if deadline is None else max(0.0, deadline - time.monotonic())))
            except EnsureFailed as failure:
                failures.append(failure)
        if failures:
            raise ExceptionGroup(f"{len(failures)} of {len(self)} requests failed", failures)
        return answers

    def progress(self, timeout: float | None = None) -> Iterator[Progress]:
        """Iterate over the histories of all jobs as they come; `job` says whose. See `Handle.progress`."""
        return follow(self._link, [handle.id for handle in self], timeout)


class _Cancellation(Answered):
    verdict: Cancelled


def cancel(link: Channel, request_id: str, own_id: UUID | None = None) -> Handle[Cancelled]:
    """Send the request that a job stop. `own_id` is that of this request."""
    own_id = own_id or uuid4()
    link.send(CANCEL, own_id, [request_id], {})
    subject = f"the cancellation of {request_id}"
    return Handle(link, str(own_id), None, lambda answer: _Cancellation.model_validate(answer).verdict, subject)


def follow(link: Channel, jobs: Iterable[str], timeout: float | None) -> Iterator[Progress]:
    """Read the histories of jobs until each has ended.

    A history that is gone, or was never kept, ends when the result is there.

    Raises TimeoutError and Unreachable, as `Handle.wait`.
    """
    deadline = float("inf") if timeout is None else time.monotonic() + timeout
    places = dict.fromkeys(jobs, "0-0")
    asked = len(places)
    answered: set[str] = set()
    while places:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"{len(places)} of {asked} requests did not end in time; they go on.")
        news = link.history(places, min(left, _LAST_LOOK_SECONDS if answered else _IDLE_SECONDS))
        for entry in news:
            places[entry.job] = entry.place
            if entry.is_known:
                progress = entry.progress()
                yield progress
                if progress.kind in _ENDS:
                    places.pop(entry.job)
        if not news:
            places = {job: place for job, place in places.items() if job not in answered}
            answered = {job for job in places if link.answer(job) is not None}
