"""Print the OpenAPI description: `python -m phoenix_producer.http > docs/openapi.json`."""

import json
from pathlib import Path

from phoenix_producer.http.guard import Door
from phoenix_producer.http.server import application
from phoenix_producer.http.tokens import TokenFile

_NOWHERE = Path("/nowhere/tokens.json")

app = application("redis://127.0.0.1/0", Door(TokenFile(_NOWHERE)))
print(json.dumps(app.openapi(), indent=1, ensure_ascii=False))  # noqa: T201 - this is the program's output
