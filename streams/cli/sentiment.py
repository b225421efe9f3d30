"""`backontrack sentiment`: train a model on labelled texts, score texts and see why, look into a model file."""

from __future__ import annotations

import csv
import json
import sys
from contextlib import ExitStack
from itertools import chain, islice
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from streams.cli.group import group
from streams.cli.refused import Refused
from streams.sentiment.choose import AnyScorer, choose_scorer
from streams.sentiment.labelled import read_labelled, read_rows
from streams.sentiment.linear import LABELS, LinearModel, Reason
from streams.sentiment.model_file import load, save
from streams.sentiment.train import Recipe, class_of, train
from streams.settings import load_settings

_RECIPE = Recipe()
_WIDE = 60

app = group("Train a sentiment model on your own labelled texts; score texts and see why.")
ModelOption = Annotated[
    Path | None,
    typer.Option("--model", help="Model file; BACKONTRACK_SENTIMENT_MODEL, or the lexicon when neither is given"),
]


@app.command("train")
def train_(
    texts: Annotated[Path, typer.Option(help="CSV with the columns text and label; author or account_id may follow")],
    out: Annotated[Path, typer.Option(help="Write the model here (JSON)")],
    grams: Annotated[int, typer.Option(min=1, help="Words and pairs of words to keep")] = _RECIPE.grams,
    least: Annotated[int, typer.Option(min=1, help="Texts that must hold a word to learn it")] = _RECIPE.least,
    c: Annotated[float, typer.Option("--c", min=1e-3, max=1e3, help="Inverse strength of the penalty")] = _RECIPE.c,
    folds: Annotated[
        int, typer.Option(min=0, max=100, help="Parts of the authors for measuring on unseen ones; 0: do not measure")
    ] = _RECIPE.folds,
    json_output: Annotated[bool, typer.Option("--json", help="Print the metrics as JSON")] = False,
) -> None:
    """Train a linear model on labelled texts, and say how well it does on authors that it has not seen.

    Labels are negative, neutral and positive. Nothing is sent anywhere. The same file and options give the same bytes.
    10,000 short texts take about a minute.

    Examples:
        backontrack sentiment train --texts labelled.csv --out model.json

        BACKONTRACK_SENTIMENT_MODEL=model.json backontrack worker
    """
    if folds == 1:
        raise typer.BadParameter("one part leaves nothing to learn from: 0, or at least 2", param_hint="--folds")
    if not out.parent.is_dir():
        raise Refused(f"{out}: there is no such folder")
    labelled = read_labelled(texts)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(f"training on {len(labelled.rows):,} texts", total=1.0)
        try:
            model = train(labelled, Recipe(grams, least, c, folds), lambda share: bar.update(task, completed=share))
        except ValueError as error:
            raise Refused(f"{texts}: {error}") from None
    save(model, out)
    if json_output:
        typer.echo(json.dumps(_summary(model)))
        return
    _describe(model)
    typer.echo(f"written to {out}; use it with BACKONTRACK_SENTIMENT_MODEL={out}")


@app.command("score")
def score(
    text: Annotated[list[str] | None, typer.Argument(help="Texts to score")] = None,
    texts: Annotated[Path | None, typer.Option(help="CSV with a column text, plain or gzip")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the rows of --texts here with the columns score, class")
    ] = None,
    model: ModelOption = None,
    top: Annotated[int, typer.Option(min=0, max=50, help="Parts of the text that decided, to be shown")] = 5,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object a text")] = False,
) -> None:
    """Score texts in [-1, 1] as a worker would, and show which words decided.

    Beyond 0.05 a text is positive, beyond -0.05 negative. With a model the figure beside a word is its share of
    ln(P positive / P negative); with the lexicon it is what the score loses without the word.

    Examples:
        backontrack sentiment score "My export fails again, this is useless."

        backontrack sentiment score --model model.json --texts texts.csv --out scored.csv
    """
    if not text and texts is None:
        raise typer.BadParameter('name a text or a file, for example: score "It fails again."')
    if out is not None and texts is None:
        raise typer.BadParameter("goes with --texts", param_hint="--out")
    if out is not None and texts is not None and out.resolve() == texts.resolve():
        raise typer.BadParameter("would overwrite the texts", param_hint="--out")
    scorer = choose_scorer(load_settings(sentiment_model=model).sentiment_model)
    if texts is not None and out is not None:
        count = _score_file(scorer, texts, out)
        typer.echo(f"{count:,} texts scored by {scorer.name}, written to {out}", err=True)
    given = list(text or [])
    if texts is not None and out is None:
        given += [row["text"] for _, row in read_rows(texts, ("text",))]
    for one in given:
        _show_score(scorer, one, top, as_json=json_output)


@app.command("show")
def show(
    model: Annotated[Path, typer.Argument(help="Model file")],
    top: Annotated[int, typer.Option(min=0, help="Strongest words of each side")] = 10,
    json_output: Annotated[bool, typer.Option("--json", help="Print it as JSON")] = False,
) -> None:
    """Show a model: version, size, what it was trained on, how well it does, strongest words.

    Examples:
        backontrack sentiment show model.json
    """
    loaded = load(model)
    words = {LABELS[0]: _strongest(loaded, top, -1), LABELS[2]: _strongest(loaded, top, 1)}
    if json_output:
        typer.echo(json.dumps({**_summary(loaded), "strongest": words}, ensure_ascii=False))
        return
    _describe(loaded)
    for label, found in words.items():
        typer.echo(f"most {label}: {', '.join(found)}")


def _summary(model: LinearModel) -> dict[str, Any]:
    return {"name": model.name, "grams": len(model.weights), "training": model.training, "metrics": model.metrics}


def _describe(model: LinearModel) -> None:
    training, metrics = model.training, model.metrics
    labels = ", ".join(f"{count:,} {label}" for label, count in training.get("labels", {}).items())
    by = f" of {training['authors']:,} authors" if training.get("authors") else ""
    typer.echo(f"{model.name}: {len(model.weights):,} words and pairs, from {training.get('texts', 0):,} texts{by}")
    typer.echo(f"labels: {labels}")
    if not metrics:
        typer.echo("not measured on unseen texts")
        return
    recall = ", ".join(f"{label} {value:.3f}" for label, value in metrics["recall"].items())
    typer.echo(
        f"on unseen {metrics['unseen']} ({metrics['folds']} parts): accuracy {metrics['accuracy']:.3f} "
        f"(always the commonest label: {metrics['commonest_alone']:.3f}), macro recall {metrics['macro_recall']:.3f}"
    )
    typer.echo(f"recall: {recall}")


def _strongest(model: LinearModel, most: int, side: int) -> list[str]:
    """Grams that pull most to a side, strongest first; -1 is negative."""
    found = sorted(model.weights.items(), key=lambda item: (side * (item[1][0] - item[1][1]), item[0]))
    return [gram for gram, (negative, positive) in found[:most] if side * (positive - negative) > 0]


def _score_file(scorer: AnyScorer, source: Path, out: Path) -> int:
    count = 0
    rows = read_rows(source, ("text",))
    first = list(islice(rows, 1))  # a file that cannot be read is refused before the other one is begun
    with ExitStack() as stack:
        file: TextIO = (
            sys.stdout if str(out) == "-" else stack.enter_context(out.open("w", encoding="utf-8", newline=""))
        )
        writer: Any = None
        for _, row in chain(first, rows):
            value = scorer.score(row["text"])
            row.update(score=f"{value:.6f}", **{"class": LABELS[class_of(value)]})
            if writer is None:
                writer = csv.DictWriter(file, list(row), lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)
            count += 1
    return count


def _show_score(scorer: AnyScorer, text: str, top: int, *, as_json: bool) -> None:
    value = scorer.score(text)
    label = LABELS[class_of(value)]
    reasons: list[Reason] = scorer.reasons(text, top) if top else []
    if as_json:
        because = [{"part": reason.part, "weight": round(reason.weight, 4)} for reason in reasons]
        found = {"score": round(value, 6), "class": label, "scored_by": scorer.name, "because": because, "text": text}
        typer.echo(json.dumps(found, ensure_ascii=False))
        return
    shown = text if len(text) <= _WIDE else f"{text[: _WIDE - 3]}..."
    typer.echo(f"{value:+.3f} {label} ({scorer.name}): {shown}")
    if reasons:
        table = Table.grid(padding=(0, 2))
        for reason in reasons:
            table.add_row(f"  {reason.weight:+.3f}", escape(reason.part))
        Console(highlight=False).print(table)
