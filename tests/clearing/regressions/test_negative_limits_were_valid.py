"""A policy with a negative limit or an unknown rounding was accepted and then meant something nobody had said."""

import pytest

from clearing.world import World, liquidation
from ringfence.clearing import command as cmd
from ringfence.clearing.policy import Deleveraging, Policy, Rounding
from ringfence.clearing.verdict import Reason


@pytest.mark.parametrize(
    "policy",
    [
        liquidation(block_insurance_q=-1),  # refused every loss
        liquidation(backstop_num=-1),
        Policy(deleveraging=Deleveraging(policy="cyclic", scan_max=-1)),  # dropped the last in the queue
        Policy(rounding=Rounding(requirement=7)),  # rounded down
    ],
)
def test_it_is_refused(policy):
    World().no(cmd.ChangePolicy(policy), Reason.PARAMETER_INVALID)
