"""What holds where a catalog says nothing: by the settings of a worker, or by what is set for a catalog alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.nodes import ANY_NODE
from phoenix_worker.catalog.resolve import Defaults
from phoenix_worker.catalog.scripts import APPLICATION_SCRIPTS, FEATURES, ScriptPlaces
from phoenix_worker.settings import SettingsError, environ, values, variable

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_worker.settings import Settings


def defaults_of(settings: Settings) -> Defaults:
    """Say what holds where the catalog says nothing."""
    return Defaults(
        node=settings.node,
        template_storage=settings.template_storage,
        scratch=values.ctids_of(settings.scratch_ctids),
        copies=values.ctids_of(settings.copy_ctids),
        scripts=ScriptPlaces(settings.scripts, settings.application_scripts),
    )


def catalog_defaults() -> Defaults:
    """Say what a catalog is judged by alone; without PHOENIX_NODE, any node. Raises SettingsError for a wrong one."""
    features = _alone("scripts", values.script_pattern) or FEATURES
    applications = _alone("application_scripts", values.application_pattern) or APPLICATION_SCRIPTS
    return Defaults(
        node=_alone("node", values.nodes) or ANY_NODE,
        scratch=_alone("scratch_ctids", values.ctids_of),
        copies=_alone("copy_ctids", values.ctids_of),
        scripts=ScriptPlaces(features, applications),
    )


def _alone(field: str, read: Callable[[str], Any]) -> Any:
    written = environ().get(name := variable((field,)))
    try:
        return None if written is None else read(values.plain(written))
    except ValueError as error:
        raise SettingsError(f"{name}: {error}") from error
