"""Print `docs/configuration.md`: `python -m phoenix_worker.settings > docs/configuration.md`."""

from phoenix_worker.catalog.reference import catalog_page
from phoenix_worker.settings.page import settings_page

print(f"{settings_page()}\n{catalog_page()}", end="")  # noqa: T201 - this is the program's output
