"""What `phoenix-lxc check` makes of what it read: pure judgment, one module for each thing that is judged.

The facts are read elsewhere: `check/redis_facts.py`, `proxmox/inspection.py`, `check/checkup.py`.
"""
