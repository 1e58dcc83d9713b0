"""What happens to who is liquidatable, in words that follow from the rulebook."""

import pytest

from ringfence.questions.procedure import in_a_word, procedure
from ringfence.venues.overrides import load_spec
from ringfence.venues.rulebook import list_rulebooks, load

HANDED = "handed to the backstop below 66.67 % of maintenance margin, nothing is returned"
SIZE = "policy.liquidation.size"


@pytest.mark.parametrize(
    ("spec", "words", "word"),
    [
        ("generic", "closed whole", "whole"),
        ("dydx-v4", "10 % at a time; no worse than the fillable price", "10 % steps"),
        (
            "hyperliquid",
            f"whole up to 100,000 USD, above it 20 % first, then whole; {HANDED}",
            "20 % first, backstop",
        ),
        (
            "hyperliquid@2023",
            "closed whole; handed to the backstop, nothing is returned",
            "whole, backstop",
        ),
        (
            "generic{policy.liquidation.size=target, policy.liquidation.target=1.25}",
            "closed until equity is back at 125 % of maintenance margin",
            "in part",
        ),
        (
            "generic{policy.liquidation.size=target}",
            "closed until equity is back at maintenance margin",
            "in part",
        ),
        (
            f"generic{{{SIZE}=portion, policy.liquidation.portion=0.25, policy.liquidation.portion_floor=0.5}}",
            "25 % at a time, whole where equity is below 50 % of maintenance margin",
            "25 % steps",
        ),
        (
            "generic{policy.liquidation.remainder=fund}",
            "closed whole; what is left is seized by the insurance fund",
            "whole, seized",
        ),
        ("hyperliquid{policy.liquidation.backstop=0, policy.liquidation.size=full}", "closed whole", "whole"),
    ],
)
def test_words(spec, words, word):
    rulebook = load_spec(spec)
    assert procedure(rulebook) == words
    assert in_a_word(rulebook) == word


@pytest.mark.parametrize("name", [f"{info.venue}@{info.version}" for info in list_rulebooks()])
def test_every_venue_has_words(name):
    rulebook = load(name)
    assert procedure(rulebook)
    assert 0 < len(in_a_word(rulebook)) < 30
