"""What a round counted, and how it is told."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields

_OF_ONE_TASK = {"longest_recovery", "slowest"}


@dataclass
class Numbers:
    """All that happened, and the longest recovery."""

    jobs: int = 0
    failed_and_asked_again: int = 0
    worker_kills: int = 0
    redis_kills: int = 0
    redis_lost_writes: int = 0
    clock_steps: int = 0
    requests_lost_with_them: int = 0
    faults: int = 0
    proxmox_worker_deaths: int = 0
    node_failures: int = 0
    failed_while_a_node_was_down: int = 0
    migrations: int = 0
    copies: int = 0
    seconds: float = 0.0
    longest_recovery: float = 0.0
    slowest: str = ""
    """What took the longest recovery, and what it waited for."""

    def add(self, numbers: Numbers) -> None:
        """Add those of one more round."""
        if numbers.longest_recovery > self.longest_recovery:
            self.longest_recovery, self.slowest = numbers.longest_recovery, numbers.slowest
        for one in fields(Numbers):
            if one.name not in _OF_ONE_TASK:
                setattr(self, one.name, getattr(self, one.name) + getattr(numbers, one.name))

    def __str__(self) -> str:
        counted = [(name, value) for name, value in asdict(self).items() if name != "slowest"]
        return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in counted)
