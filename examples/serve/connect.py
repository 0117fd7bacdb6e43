"""Tries to reach a server. A box has no network, so this fails."""

import socket

print("connecting")
socket.create_connection(("127.0.0.1", 3000), timeout=1)
print("connected, which should not happen")
