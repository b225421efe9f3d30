"""Keeps what threads free where others can use it, and gives back what a take-over has needed."""

from __future__ import annotations

import contextlib
import ctypes
import gc

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


def settle() -> None:
    """To be called when partitions were taken over.

    What lives on is put out of the collector's sight: going through all accounts again and again costs more than
    there is to be found. What was out of its sight and lives no more is collected first, or every take-over would
    leave some of it behind. The free memory between the accounts, tens of MB after a long changelog was read, goes
    back to the system.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None).malloc_trim(0)
