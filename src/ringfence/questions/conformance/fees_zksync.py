"""Fees of ZKsync Era: fair prices, compression of what is published."""

import re

from ...chain.fees import zksync
from ...errors import InputError
from .vectors import ALONE, Case, Field, Ours, Rule

_WORD = re.compile(r"0x[0-9a-fA-F]{1,64}|0|[1-9][0-9]{0,77}")
SHOWN_MAX = 40


def fair_prices(case: Case) -> Ours:
    """Prices that the operator asks, clipped to what the bootloader accepts where the case says so."""
    asked = case.body["input"]
    ratio = _ratio(asked)
    model = zksync.FeeModel(
        zksync.in_base_token(asked["minimal_l2_gas_price"].integer(least=0), *ratio),
        asked["batch_overhead_l1_gas"].integer(least=0),
        asked["max_gas_per_batch"].integer(least=1),
        asked["max_pubdata_per_batch"].integer(least=1),
        float(asked["compute_overhead_part"].fraction()),
        float(asked["pubdata_overhead_part"].fraction()),
    )
    found = zksync.fair_prices(
        model,
        *(
            zksync.in_base_token(asked[name].integer(least=0), *ratio)
            for name in ("l1_gas_price", "l1_pubdata_price")
        ),
        gas_scale=_factor(asked, "gas_scale"),
        pubdata_scale=_factor(asked, "pubdata_scale"),
    )
    clip = asked.get("clip")
    prices = found.clipped() if clip and clip.flag() else found
    return {
        "l1_gas_price": prices.l1_gas,
        "fair_l2_gas_price": prices.l2_gas,
        "fair_pubdata_price": prices.pubdata,
        "base_fee": zksync.base_fee(prices) if prices.l2_gas or prices.pubdata else None,
    }


def _factor(asked: Field, name: str) -> float:
    stated = asked.get(name)
    return 1.0 if stated is None else float(stated.fraction())


def _ratio(asked: Field) -> tuple[int, int]:
    """Units of the chain's own token per wei: one where the case does not say."""
    stated = asked.get("conversion_ratio") or asked.get("base_token_conversion_ratio")
    if stated is None:
        pair = asked.get("conversion_numerator"), asked.get("conversion_denominator")
        numerator, denominator = (1 if each is None else each.integer(least=1) for each in pair)
        return numerator, denominator
    if isinstance(stated.raw, dict):
        return stated["numerator"].integer(least=1), stated["denominator"].integer(least=1)
    return stated.positive().as_integer_ratio()


def _words(asked: Field) -> tuple[int, int]:
    return _word(asked["prev"]), _word(asked["new"])


def _word(stated: Field) -> int:
    """A word of 256 bits, decimal or hexadecimal."""
    text = stated.text()
    word = int(text, 0) if _WORD.fullmatch(text) else zksync.WORD
    if word >= zksync.WORD:
        raise InputError(f"{stated.where}: expected a whole number below 2**256, got {text[:SHOWN_MAX]}")
    return word


def compressed(case: Case) -> Ours:
    """Bytes published of a changed word, in hexadecimal."""
    return {ALONE: zksync.compress_value(*_words(case.body["input"])).hex()}


def pubdata(case: Case) -> Ours:
    """Bytes of pubdata of a write to a new slot and to a known one."""
    before, after = _words(case.body["input"])
    return {
        "initial": zksync.pubdata_bytes(before, after, first=True),
        "repeated": zksync.pubdata_bytes(before, after, first=False),
    }


KINDS: dict[str, Rule] = {
    "zksync_compress_value": compressed,
    "zksync_fair_prices": fair_prices,
    "zksync_pubdata_bytes": pubdata,
}
