"""Keeps what threads free where others can use it, and gives back what a take-over has needed."""

from __future__ import annotations

import ctypes
import gc
import time

_M_ARENA_MAX = -8
_ARENAS = 2
_SHARE = 100


def share_arenas() -> bool:
    """To be called before threads are started; False where the C library has no such setting.

    glibc gives nearly every thread a heap of its own, up to eight a core, and each keeps what it once needed. The
    clients of Kafka start some threads for every recovery. Two heaps are enough for threads that wait for the network,
    or for Python's lock.
    """
    return _ask_glibc("mallopt", _M_ARENA_MAX, _ARENAS)


class Heap:
    """What a worker has in memory, looked after when partitions were taken over."""

    def __init__(self) -> None:
        self._again_at = 0.0

    def settle(self) -> None:
        """Puts what lives on out of the collector's sight, and gives free memory back to the system.

        Going through all accounts again and again costs more than there is to be found. But what was out of its sight
        and lives no more is collected here, or every take-over would leave some of it behind; that takes a second for
        some 40,000 accounts, so at most a hundredth of the time goes into it. Free memory between the accounts is tens
        of MB after a long changelog was read.
        """
        began = time.monotonic()
        if gc.get_freeze_count() and began >= self._again_at:
            gc.unfreeze()
            gc.collect()
            self._again_at = began + _SHARE * (time.monotonic() - began)
        gc.freeze()
        _ask_glibc("malloc_trim", 0)


def _ask_glibc(function: str, *args: int) -> bool:
    """False when it does not do it, as other C libraries do not know the function."""
    try:
        return bool(getattr(ctypes.CDLL(None), function)(*args))
    except (AttributeError, OSError):
        return False
