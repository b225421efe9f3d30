"""Keeps what threads free where others can use it."""

from __future__ import annotations

import contextlib
import ctypes

_M_ARENA_MAX = -8
_ARENAS = 2


def share_arenas() -> bool:
    """To be called before threads are started; False where the C library has no such setting.

    glibc gives nearly every thread a heap of its own, up to eight a core, and each keeps what it once needed. The
    clients of Kafka start some threads for every recovery. Two heaps are enough for threads that wait for the network,
    or for Python's lock.
    """
    with contextlib.suppress(AttributeError, OSError):
        return bool(ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS))
    return False
