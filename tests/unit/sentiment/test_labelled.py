"""Files of labelled texts."""

import gzip
from pathlib import Path

import pytest

from streams.sentiment.errors import SentimentError
from streams.sentiment.labelled import LabelledText, read_labelled
from tests.support.labelled import help_desk, write


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Texts, labels and authors."""
    assert read_labelled(write(tmp_path / "t.csv", help_desk())) == help_desk()


def test_a_compressed_file_with_more_columns_is_read(tmp_path: Path) -> None:
    """In any order; a text may have several lines."""
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(b'label,time,account_id,text\nPositive,1,a,"it\nworks"\n'))
    assert read_labelled(path).rows == [LabelledText("it\nworks", 2, "a")]


def test_without_authors_equal_texts_stay_together(tmp_path: Path) -> None:
    """A text that was seen is not unseen."""
    path = tmp_path / "t.csv"
    path.write_text("text,label\nhi,neutral\n", encoding="utf-8")
    found = read_labelled(path)
    assert (found.by_author, found.rows[0].author) == (False, "hi")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", ":1: the header has no column text; it has nothing"),
        ("text,score\nhi,1\n", ":1: the header has no column label; it has text, score"),
        ("text,label,text\nhi,neutral,x\n", ":1: a column stands twice"),
        ("text,label\n", ":1: there are no texts"),
        ("text,label\nhi,neutral\nhi,angry\n", ":3: label 'angry' is none of negative, neutral, positive"),
        ("text,label\nhi\n", ":2: 1 values where the header has 2"),
        ('text,label\n"hi\nyou",neutral\nx,,y\n', ":4: 3 values where the header has 2"),
        ("text,label,author\nhi,neutral,\n", ":2: author is empty"),
        ('text,label\n"hi,neutral\n', ":2: unexpected end of data"),
    ],
)
def test_a_wrong_file_is_refused_with_line_and_reason(tmp_path: Path, content: str, reason: str) -> None:
    """The first mistake."""
    path = tmp_path / "t.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SentimentError) as refused:
        read_labelled(path)
    assert str(refused.value).startswith(f"{path}{reason}")


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("t.csv", b"text,label\n\xff,neutral\n", "is not UTF-8 text"),
        ("t.csv.gz", b"text,label\n", "is no whole gzip file"),
        ("t.csv.gz", gzip.compress(b"text,label\n" * 9)[:-12], "is no whole gzip file"),
        ("t.csv.gz", gzip.compress(b"")[:10] + b"\xff" * 40, "is no whole gzip file"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    """Named with the reason."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(SentimentError, match=reason):
        read_labelled(path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    """Named with the reason."""
    with pytest.raises(SentimentError, match="cannot be read: No such file"):
        read_labelled(tmp_path / "t.csv")
