"""The acceptance of the product on a Proxmox that its user names: `make conformance ARGS="--pve … --token …"`.

It makes and removes real containers there, at CTIDs that must be free. Nothing of CI runs it but a test that names a
simulated Proxmox on loopback.
"""
