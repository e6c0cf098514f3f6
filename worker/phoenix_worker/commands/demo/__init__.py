"""The command `phoenix-lxc demo`: a Redis, a simulated Proxmox, a worker, and the main job from end to end."""
