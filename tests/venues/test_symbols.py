import pytest

from ringfence.errors import InputError
from ringfence.venues.rulebook import load


@pytest.mark.parametrize(
    "text",
    [
        "BTC",
        "btc",
        " BTC ",
        "BTC-USD",
        "BTC-PERP",
        "BTC-USD-PERP",
        "BTC-USDT-SWAP",
        "BTC/USDC:USDC",
        "BTC/USD:USDC",
        "BTC/USDT:USDT",
        "BTC/USDC",
        "BTCUSDT",
        "BTC_USDT",
        "btcusd",
    ],
)
@pytest.mark.parametrize("name", ["generic", "dydx-v4", "hyperliquid", "hyperliquid@2023"])
def test_one_market_by_many_names(name, text):
    assert load(name).symbol(text) == "BTC"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("xyz:XYZ100", "xyz:XYZ100"),
        ("XYZ-XYZ100/USDC:USDC", "xyz:XYZ100"),
        ("FLX-CRCL/USDH:USDH", "flx:CRCL"),
        ("kPEPE", "kPEPE"),
        ("KPEPE/USDC:USDC", "kPEPE"),
        ("0G-USD", "0G"),
        ("S-PERP", "S"),
    ],
)
def test_names_of_hyperliquid(text, name):
    assert load("hyperliquid").symbol(text) == name


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("PEPE", "hyperliquid 2026-07 has no market 'PEPE'; did you mean kPEPE"),
        ("BTC/USD:BTC", "hyperliquid 2026-07 has no market 'BTC/USD:BTC'; "),
        ("BTC/EUR:EUR", "hyperliquid 2026-07 has no market 'BTC/EUR:EUR'; "),
        ("BTC/USDC:USDC-261225", "hyperliquid 2026-07 has no market 'BTC/USDC:USDC-261225'; "),
        ("", "hyperliquid 2026-07 has no market ''; it lists 196 markets"),
        ("USDT", "hyperliquid 2026-07 has no market 'USDT'; "),
        ("*", "hyperliquid 2026-07 has no market '*'; "),
    ],
)
def test_a_market_that_is_not_listed(text, sentence):
    with pytest.raises(InputError) as caught:
        load("hyperliquid").symbol(text)
    assert str(caught.value).startswith(sentence)


def test_dydx_does_not_fall_back_on_anything():
    with pytest.raises(InputError, match="dydx-v4 2026-03 has no market 'HYPE'; did you mean "):
        load("dydx-v4").market("HYPE")


@pytest.mark.parametrize(
    ("text", "name"), [("hype", "HYPE"), ("LAYER/USDT:USDT", "LAYER"), ("ENA-USD", "ENA")]
)
def test_generic_takes_any_plain_name(text, name):
    assert load("generic").symbol(text) == name


@pytest.mark.parametrize("text", ["", "*", "a b", "BTC/USD:BTC", "x" * 21, "../etc"])
def test_but_not_any_text(text):
    with pytest.raises(InputError, match="generic 2026-11 has no market"):
        load("generic").symbol(text)
