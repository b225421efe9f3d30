"""The lexicon scorer."""

import subprocess
import sys

from streams.sentiment.scorer import Scorer
from streams.sentiment.vader import VaderScorer


def test_kind_and_angry_texts_have_opposite_scores() -> None:
    """Within [-1, 1]."""
    scorer: Scorer = VaderScorer()
    assert 0.3 < scorer.score("I love this, it works great!") <= 1
    assert -1 <= scorer.score("This is terrible, I hate it.") < -0.3
    assert scorer.score("") == 0.0


def test_the_name_says_which_version_scored() -> None:
    """Another version has other scores."""
    assert VaderScorer().name == "vader-3.3.2"


def test_the_lexicon_is_not_loaded_before_it_is_needed() -> None:
    """Importing and constructing costs nothing."""
    code = "import sys; from streams.sentiment import vader; vader.VaderScorer(); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "streams.sentiment.vader" in result.stdout.split()
    assert "vaderSentiment" not in result.stdout.split()
