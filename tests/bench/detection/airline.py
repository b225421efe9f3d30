"""How well a trained model does on customers that it has not seen: public complaints, cross-fitted by author.

    python -m tests.bench.detection.airline

Five times, a model is trained with `backontrack sentiment train` on four fifths of the authors, and scores the rest
with `backontrack sentiment score`. The data may be used for evaluation only: nothing that is made here is kept.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from subprocess import run
from typing import NamedTuple

from streams.sentiment.linear import LABELS, LinearScorer
from streams.sentiment.model_file import load
from streams.sentiment.train import evaluate
from tests.support.data import data_directory

FOLDS = 5
SALT = "airline"
_ROUNDS = 3


class Tweet(NamedTuple):
    """One labelled text."""

    author: str
    text: str
    label: str


class Fold(NamedTuple):
    """What a model made of the authors that it had not seen. Bytes of its file, microseconds a text."""

    labels: list[int]
    predicted: list[int]
    size: int
    microseconds: float


def tweets(folder: Path) -> Iterator[Tweet]:
    """All texts with their labels, which lie row by row in another file."""
    with (
        gzip.open(folder / "text.csv.gz", "rt", encoding="utf-8", newline="") as texts,
        gzip.open(folder / "labels.csv.gz", "rt", encoding="utf-8", newline="") as labels,
    ):
        for text, label in zip(csv.DictReader(texts), csv.DictReader(labels), strict=True):
            if text["account_id"] != label["account_id"]:
                raise SystemExit(f"{folder}: texts and labels are not in the same order")
            yield Tweet(text["account_id"], text["text"], label["label"])


def fold_of(author: str) -> int:
    """Part of an author, 0 to `FOLDS` - 1."""
    return int.from_bytes(sha256(f"{SALT} {author}".encode()).digest()[:8]) % FOLDS


def cross_fit(rows: list[Tweet], fold: int, options: list[str], scratch: Path) -> Fold:
    """Trains on all authors outside a part and scores those in it, both with the command line."""
    seen, unseen, model = (scratch / f"{fold}-{name}" for name in ("seen.csv", "unseen.csv", "model.json"))
    _write(seen, [row for row in rows if fold_of(row.author) != fold])
    _write(unseen, [row for row in rows if fold_of(row.author) == fold])
    _cli("train", "--texts", str(seen), "--out", str(model), "--folds", "0", *options)
    scored = scratch / f"{fold}-scored.csv"
    _cli("score", "--model", str(model), "--texts", str(unseen), "--out", str(scored))
    with scored.open(encoding="utf-8", newline="") as file:
        found = list(csv.DictReader(file))
    labels = [LABELS.index(row["label"]) for row in found]
    predicted = [LABELS.index(row["class"]) for row in found]
    return Fold(labels, predicted, model.stat().st_size, _microseconds(model, [row["text"] for row in found]))


def _microseconds(model: Path, texts: list[str]) -> float:
    """Fastest of a few rounds over texts that are not cached."""
    rounds = []
    for _ in range(_ROUNDS):
        scorer = LinearScorer(load(model), cache=0)
        began = time.perf_counter()
        for text in texts:
            scorer.score(text)
        rounds.append(time.perf_counter() - began)
    return 1e6 * min(rounds) / len(texts)


def _write(path: Path, rows: list[Tweet]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Tweet._fields)
        writer.writerows(rows)


def _cli(*arguments: str) -> None:
    done = run(
        [sys.executable, "-m", "streams.cli.main", "sentiment", *arguments], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stderr.strip())


def main() -> int:
    """Measures and prints. 0 also when the data are not there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grams", type=int, help="words and pairs that are kept, instead of the default")
    asked = parser.parse_args()
    base = data_directory()
    if base is None or not (base / "airline").is_dir():
        return _say("skipped: the set airline is not there; BACKONTRACK_DATA names the folder of the data")
    rows = list(tweets(base / "airline"))
    options = ["--grams", str(asked.grams)] if asked.grams else []
    with tempfile.TemporaryDirectory() as directory, ThreadPoolExecutor(max_workers=2) as pool:
        folds = list(pool.map(lambda fold: cross_fit(rows, fold, options, Path(directory)), range(FOLDS)))
    all_of = evaluate([k for fold in folds for k in fold.labels], [k for fold in folds for k in fold.predicted])
    apart = [evaluate(fold.labels, fold.predicted)["accuracy"] for fold in folds]
    recall = " ".join(f"{label} {value:.3f}" for label, value in all_of["recall"].items())
    return _say(
        f"texts {all_of['texts']}, authors {len({row.author for row in rows})}, parts of authors {FOLDS}",
        f"accuracy on unseen authors {all_of['accuracy']:.3f} (parts {min(apart):.3f} to {max(apart):.3f})",
        f"macro recall {all_of['macro_recall']:.3f} ({recall})",
        f"always the commonest label {all_of['commonest_alone']:.3f}",
        f"model file {max(fold.size for fold in folds):,} bytes",
        f"{min(fold.microseconds for fold in folds):.0f} us a text",
    )


def _say(*lines: str) -> int:
    print(*lines, sep="\n")  # noqa: T201  a command's answer
    return 0


if __name__ == "__main__":
    sys.exit(main())
