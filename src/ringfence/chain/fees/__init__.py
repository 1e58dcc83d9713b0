"""What a transaction costs: the fee rules of each chain, and the dated parameters that they run on."""

from .parameters import CHAINS, SCENARIOS, Parameters, parameters
from .transaction import Fee, fee

__all__ = ["CHAINS", "SCENARIOS", "Fee", "Parameters", "fee", "parameters"]
