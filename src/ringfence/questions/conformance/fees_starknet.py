"""Fees of Starknet: three kinds of gas, blob data, the price of L2 gas."""

from ...chain.fees import starknet
from .vectors import ALONE, Case, Ours, Rule


def fee(case: Case) -> Ours:
    """Fee in wei and in fri."""
    asked = case.body["input"]
    gas = starknet.Gas(*(asked.whole(name) for name in ("l1_gas", "l1_data_gas", "l2_gas")))
    found: Ours = {}
    for token in ("eth", "strk"):
        stated = asked.get(f"{token}_prices")
        if stated is not None:
            prices = starknet.Prices(*(stated[name].integer(least=0) for name in ("l1", "l1_data", "l2")))
            found[f"fee_{token}"] = starknet.fee(gas, prices, asked.whole("tip"))
    return found


def data_gas(case: Case) -> Ours:
    """Blob gas of state changes."""
    asked = case.body["input"]
    names = (
        "n_storage_updates",
        "n_class_hash_updates",
        "n_compiled_class_hash_updates",
        "n_modified_contracts",
    )
    return {ALONE: starknet.data_gas(starknet.StateChanges(*(asked.whole(name) for name in names)))}


def next_price(case: Case) -> Ours:
    """Price of L2 gas after a block."""
    asked = case.body["input"]
    price = starknet.next_l2_gas_price(
        asked["price"].integer(least=0),
        asked["gas_used"].integer(least=0),
        target=asked["gas_target"].integer(least=1),
        denominator=max(asked.whole("denominator", starknet.DENOMINATOR), 1),
        minimum=asked.whole("min_price", starknet.PRICE_MIN_FRI),
    )
    return {ALONE: price}


KINDS: dict[str, Rule] = {
    "starknet_da_blob_gas": data_gas,
    "starknet_fee": fee,
    "starknet_next_l2_gas_price": next_price,
}
