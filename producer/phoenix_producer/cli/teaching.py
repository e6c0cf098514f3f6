"""What the help of each command ends with: an example to copy, and what its exit codes mean."""

from __future__ import annotations


def epilog(*examples: str, codes: str) -> str:
    """Put it together; each example gets a line of its own."""
    shown = "\n".join(["For example:", *(f"    {example}" for example in examples)])
    return f"{shown}\n\nExit codes: {codes}"
