"""How others do the same, on the same simulator in the same minute. Each is a process of its own.

They are told by the environment: `BASE_HOST`, `BASE_CA`, `BASE_NODE`, `BASE_SOURCE`, `BASE_CTIDS`, `BASE_REDIS`.
"""
