"""The half of `docs/configuration.md` that is made from the settings themselves."""

from __future__ import annotations

from pydantic import SecretStr

from phoenix_worker.settings import SECRET, Settings, variable


def _shown(default: object) -> object:
    """Write down a default; one of a secret is none."""
    return default.get_secret_value() if isinstance(default, SecretStr) else default


def settings_page() -> str:
    """Return the first half of `docs/configuration.md`, made from the settings themselves."""
    rows = []
    for name, field in Settings.model_fields.items():
        optional = "none" if field.default in (None, {}) else f"`{_shown(field.default)}`"
        default = "**required**" if field.is_required() else optional
        rows.append(f"| `{variable((name,))}` | {default} | {field.description} |")
    files = ", ".join(f"`{variable((field,))}_FILE`" for field in SECRET)
    head = (
        "# Settings\n\nEnvironment variables, or the same names in a file `.env` in the working directory; an "
        "empty one counts as none. This page is made by `python -m phoenix_worker.settings`.\n\n"
        f"A secret may also stand in a file: {files} name it, as Docker, Kubernetes and systemd hand secrets over. A "
        "line break at its end does not count.\n\n| name | default | what |\n|---|---|---|\n"
    )
    return head + "\n".join(rows) + "\n"
