"""Model files: JSON, written the same way for the same model, and read with every field checked."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from streams.sentiment.errors import SentimentError
from streams.sentiment.linear import LinearModel

FORMAT = "backontrack-sentiment-linear/1"
_LARGEST = 127
_DIGITS = 8
_MOST = 1e300
"""No sound model comes near it: neither NaN nor infinite, nor a whole number beyond all doubles."""


def versioned(model: LinearModel) -> LinearModel:
    """The model with the version that its content gives."""
    content = json.dumps(_content(model), sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return replace(model, version=sha256(content.encode()).hexdigest()[:_DIGITS])


def render(model: LinearModel) -> str:
    """The text of a model file: what a person asks for first, then one gram a line."""
    content = {"format": FORMAT, "version": model.version, **_content(model)}
    content.pop("weights")
    head = json.dumps(content, indent=1, ensure_ascii=False).removesuffix("\n}")
    lines = [
        f"  {json.dumps(gram, ensure_ascii=False)}:[{negative},{positive}]"
        for gram, (negative, positive) in sorted(model.weights.items())
    ]
    return f'{head},\n "weights": {{\n' + ",\n".join(lines) + "\n }\n}\n"


def save(model: LinearModel, path: Path) -> None:
    """Writes the file whole or not at all. Raises SentimentError when it cannot be written."""
    beside = path.with_name(path.name + ".part")
    try:
        beside.write_text(render(model), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise SentimentError(f"{path}: cannot be written: {error.strerror}") from None


def load(path: Path) -> LinearModel:
    """Reads a model. Raises SentimentError with file and reason when it is missing, broken or was changed by hand."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SentimentError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise SentimentError(f"{path}: is not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise SentimentError(f"{path}:{error.lineno}: is no JSON: {error.msg}") from None
    except (RecursionError, ValueError) as error:
        raise SentimentError(f"{path}: is no model: {error}") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise SentimentError(f"{path}: is no sentiment model: `format` must be {FORMAT}")
    wrong = _wrong(found)
    if wrong:
        raise SentimentError(f"{path}: {wrong}")
    model = versioned(
        LinearModel(
            {gram: (pair[0], pair[1]) for gram, pair in found["weights"].items()},
            float(found["scale"]),
            (float(found["bias"][0]), float(found["bias"][1])),
            found["training"],
            found["metrics"],
        )
    )
    if model.version != found.get("version"):
        raise SentimentError(
            f"{path}: its content gives version {model.version}, but it says {found.get('version')!r}: "
            "it was changed after training. Train it again"
        )
    return model


def _content(model: LinearModel) -> dict[str, Any]:
    return {
        "training": model.training,
        "metrics": model.metrics,
        "scale": model.scale,
        "bias": list(model.bias),
        "weights": {gram: list(pair) for gram, pair in model.weights.items()},
    }


def _wrong(found: dict[str, Any]) -> str | None:
    """What is wrong with the fields; None when nothing is."""
    for name in ("training", "metrics", "weights"):
        if not isinstance(found.get(name), dict):
            return f"`{name}` must be an object"
    if not _number(found.get("scale")) or found["scale"] <= 0:
        return "`scale` must be a positive number"
    bias = found.get("bias")
    if not isinstance(bias, list) or len(bias) != 2 or not all(map(_number, bias)):  # noqa: PLR2004  two classes
        return "`bias` must be two numbers"
    for gram, pair in found["weights"].items():
        whole = isinstance(pair, list) and len(pair) == 2 and all(type(w) is int for w in pair)  # noqa: PLR2004
        if not whole or any(abs(w) > _LARGEST for w in pair):
            return f"the weights of {gram!r} must be two whole numbers from -{_LARGEST} to {_LARGEST}"
    return None


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MOST
