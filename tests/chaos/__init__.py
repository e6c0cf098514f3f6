"""Random chaos: workers and Redis are killed, clocks set, Proxmox misbehaves; afterwards everything is counted.

`make chaos ARGS="--seconds 600 --seed 7 --pool threads --verbose"`. The seed decides what happens and when; what the
jobs are doing at that moment is up to the machine.
"""
