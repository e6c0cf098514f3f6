"""Everything behind `phoenix-lxc check`: what is read, and what is made of it."""
