"""Asks with the client that `scripts/http_client.sh` has made. Arguments: URL, token, a CTID that is refused."""

import json
import sys
from http import HTTPStatus
from uuid import uuid4

from phoenix_lxc_client import AuthenticatedClient
from phoenix_lxc_client.api.default import ensure, jobs, request, status
from phoenix_lxc_client.models import Accepted, EnsureOptions, EnsureResult, Problem, RequestView

url, token, refused = sys.argv[1:]
client = AuthenticatedClient(url, token, timeout=60)
key = str(uuid4())
made = ensure.sync(103, client=client, wait=30, idempotency_key=key, body=EnsureOptions(accept_not_applied=True))
assert isinstance(made, EnsureResult), made
seen = request.sync(key, client=client)
assert isinstance(seen, RequestView), seen
accepted = ensure.sync(104, client=client)
assert isinstance(accepted, Accepted), accepted
answer = ensure.sync_detailed(int(refused), client=client, wait=30)
assert isinstance(answer.parsed, Problem), answer
assert answer.status_code == HTTPStatus.CONFLICT
print(  # noqa: T201 - the test reads it
    json.dumps(
        {
            "outcome": made.outcome,
            "state": seen.state,
            "url": accepted.url,
            "cause": answer.parsed.cause,
            "remedy": answer.parsed.remedy,
            "standing": [one.ctid for one in status.sync(client=client)],
            "jobs": len(jobs.sync(client=client, all_=True)),
        }
    )
)
