"""Labelled texts of a made-up help desk, for tests that train a model."""

from __future__ import annotations

import csv
from itertools import product
from pathlib import Path

from streams.sentiment.labelled import LabelledText, LabelledTexts
from streams.sentiment.linear import LABELS

_THINGS = ("export", "report", "calendar", "login", "upload", "invoice")
_SENTENCES = {
    "negative": ("the {} is broken again", "{} fails and nobody answers", "still no fix for the {}, useless"),
    "neutral": ("where do I find the {}", "we use the {} on mondays", "which {} is in the plan"),
    "positive": ("the new {} is lovely", "{} works, well done", "great {} and quick help, lovely"),
}
AUTHORS = 9


def help_desk() -> LabelledTexts:
    """54 texts of nine authors, 18 of each label."""
    rows: list[LabelledText] = []
    for label, sentences in _SENTENCES.items():
        for sentence, thing in product(sentences, _THINGS):
            rows.append(LabelledText(sentence.format(thing), LABELS.index(label), f"author-{len(rows) % AUTHORS}"))
    return LabelledTexts(rows, by_author=True)


def write(path: Path, texts: LabelledTexts) -> Path:
    """The texts as a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["author", "text", "label"])
        writer.writerows([row.author, row.text, LABELS[row.label]] for row in texts.rows)
    return path
