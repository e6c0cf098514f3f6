"""The door for programs in any language: HTTP and server-sent events. A producer like any other."""
