pytest_plugins = [
    "pytester",
    "tests.support.redis",
    "tests.support.worker",
    "tests.support.proxmox",
    "tests.support.product",
]
