"""The process that is fuzzed: the codec over the library's reader in Python. See `guided.py`.

    python -m tests.fuzz.guided_target CORPUS SECONDS SEED PREFIX

where PREFIX begins the names of the inputs that it ends on.

Nothing is imported before the fuzzer can look into it.
"""

from __future__ import annotations

import sys
from typing import Any

NAMES = (
    *("partition-control", "account-events", "usage-events", "sentiment-events", "ticket-events", "response-events"),
    *(
        "cause-notices",
        "account-health",
        "interventions",
        "intervention-outcomes",
        "suppressed-interventions",
        "crises",
    ),
)
"""Topics by the first byte of an input."""
_LONGEST = 4_096


def main(corpus: str, seconds: str, seed: str, prefix: str) -> None:
    """Fuzzes for so many seconds, and ends the process."""
    import atheris  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415  for development only

    with atheris.instrument_imports(include=["fastavro._read_py", "fastavro.io", "streams.shell"]):
        from fastavro import _read_py  # noqa: PLC0415  instrumented

        from streams.settings import Settings  # noqa: PLC0415  as above
        from streams.shell import codec, frames, schemas  # noqa: PLC0415  as above
    reader: Any = _read_py.schemaless_reader
    codec.schemaless_reader = reader
    made = codec.Codec(Settings())
    decoders = [(frames.single_object_header(schemas.newest(name).crc), made.decoder(name)) for name in NAMES]

    def one(data: bytes) -> None:
        header, decode = decoders[(data[0] if data else 0) % len(NAMES)]
        try:
            decode(header + data[1:])
        except frames.BadRecord:
            return

    limits = [
        f"-max_total_time={seconds}",
        f"-seed={seed}",
        f"-max_len={_LONGEST}",
        "-timeout=10",
        "-rss_limit_mb=1024",
        f"-artifact_prefix={prefix}",
    ]
    atheris.Setup([sys.argv[0], corpus, *limits], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:5])
