"""`python -m phoenix_producer` is `phoenix-lxc`."""

from phoenix_producer.cli import main

main()
