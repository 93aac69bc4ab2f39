"""A directory of Arrow IPC streams and files as a storage of chunks."""
