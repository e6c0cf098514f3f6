from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, Phase, settings

pytest_plugins = [
    "tests.support.collecting",
    "pytester",
    "tests.support.redis",
    "tests.support.worker",
    "tests.support.proxmox",
    "tests.support.product",
]

# A shell starts what it runs in the background with SIGINT ignored, and whatever is started from there inherits that:
# the tests that press Ctrl-C would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# No property is about time, and a machine under load takes any time for one example.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# `make mutants` only asks whether an example fails, the same ones each time.
settings.register_profile(
    "mutants",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=30,
    phases=(Phase.explicit, Phase.generate),
)
settings.load_profile("untimed")


def pytest_xdist_auto_num_workers() -> int:
    """Four processes on two cores: tests with real workers wait for most of their time."""
    return (os.cpu_count() or 1) * 2
