"""Fee rules of Ethereum: base fee, gas of calldata, blobs."""

from ...chain.fees import ethereum
from ...errors import InputError
from .vectors import ALONE, Case, Field, Ours, Rule


def schedule(asked: Field) -> ethereum.BlobSchedule | None:
    """The main network's schedule that a case names, such as `cancun 3/6`."""
    stated = asked.get("schedule")
    if stated is None:
        return None
    name = stated.text().lower().split()[0]
    for known in ethereum.BLOB_SCHEDULES:
        if known.name == name:
            return known
    names = ", ".join(known.name for known in ethereum.BLOB_SCHEDULES)
    raise InputError(f"{stated.where}: expected one of {names}, got {stated.text()}")


def update_fraction(asked: Field) -> int:
    """How slowly the blob fee moves: as stated, else that of the schedule named."""
    stated, known = asked.get("update_fraction"), schedule(asked)
    return known.update_fraction if stated is None and known else asked["update_fraction"].integer(least=1)


def blob_base_fee(case: Case) -> Ours:
    """Wei per blob gas."""
    asked = case.body["input"]
    excess = asked["excess_blob_gas"].integer(least=0)
    return {ALONE: ethereum.blob_base_fee(excess, update_fraction(asked))}


def _stated(asked: Field, name: str, known: int | None) -> int:
    """Blobs per block: as stated, else those of the schedule named."""
    return known if asked.get(name) is None and known is not None else asked[name].integer(least=1)


def next_excess(case: Case) -> Ours:
    """Excess blob gas after a block."""
    asked = case.body["input"]
    known = schedule(asked)
    excess, used = asked["excess"].integer(least=0), asked["blob_gas_used"].integer(least=0)
    target = _stated(asked, "target", known.target if known else None)
    most = _stated(asked, "max", known.most if known else None)
    reserve = asked.get("eip7918")
    below = False
    if reserve.flag() if reserve else known is not None and known.has_reserve:
        fee = ethereum.blob_base_fee(excess, update_fraction(asked))
        below = ethereum.is_below_reserve(asked["base_fee"].integer(least=0), fee)
    return {ALONE: ethereum.next_excess_blob_gas(excess, used, target, most, below_reserve=below)}


def exponential(case: Case) -> Ours:
    """The series that stands for the exponential function."""
    asked = case.body["input"]
    factor, numerator = (asked[name].integer(least=0) for name in ("factor", "numerator"))
    return {ALONE: ethereum.fake_exponential(factor, numerator, asked["denominator"].integer(least=1))}


def next_base_fee(case: Case) -> Ours:
    """Base fee of the following block."""
    asked = case.body["input"]
    elasticity, denominator = asked.get("elasticity"), asked.get("denominator")
    return {
        ALONE: ethereum.next_base_fee(
            asked["base_fee"].integer(least=0),
            asked["gas_used"].integer(least=0),
            asked["gas_limit"].integer(least=2),
            elasticity=elasticity.integer(least=1) if elasticity else ethereum.ELASTICITY,
            denominator=denominator.integer(least=1) if denominator else ethereum.DENOMINATOR,
        )
    }


def calldata_floor(case: Case) -> Ours:
    """Gas of a transaction with calldata."""
    asked = case.body["input"]
    zeros, others = asked["zero_bytes"].integer(least=0), asked["nonzero_bytes"].integer(least=0)
    creates = asked.get("contract_creation") or asked.get("is_contract_creation")
    gas = ethereum.gas_used(
        zeros + ethereum.TOKENS_PER_NONZERO_BYTE * others,
        asked["execution_gas_after_refund"].integer(least=0),
        creation_bytes=zeros + others if creates and creates.flag() else None,
    )
    return {ALONE: gas}


KINDS: dict[str, Rule] = {
    "l1_blob_base_fee": blob_base_fee,
    "l1_eip7623_gas": calldata_floor,
    "l1_fake_exponential": exponential,
    "l1_next_base_fee": next_base_fee,
    "l1_next_excess_blob_gas": next_excess,
}
