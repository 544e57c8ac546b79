"""The daemon: two Unix sockets, one chain from a keypress to a suggestion.

``start`` and what it imports is all that runs before the sockets listen, so it stays light: no
asyncio, no msgspec, nothing of the layers below (tests/daemon/test_start.py pins the list).
"""
