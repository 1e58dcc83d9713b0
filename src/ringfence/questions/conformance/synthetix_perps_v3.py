"""Synthetix v3 perps-market: every kind of its cases, named after the answers that they record.

Sources: `Synthetixio/synthetix-v3@23585f73 markets/perps-market/test/integration/`, as the cases name them.
"""

from .named import NamedKinds
from .synthetix_v3_account import ACCOUNT_ANSWERS, account
from .synthetix_v3_funding import FUNDING_ANSWERS, funding
from .synthetix_v3_keeper import REWARD_ANSWERS, WINDOW_ANSWERS, reward, windows

KINDS = NamedKinds(
    {
        account: ACCOUNT_ANSWERS,
        funding: FUNDING_ANSWERS,
        reward: REWARD_ANSWERS,
        windows: WINDOW_ANSWERS,
    }
)
