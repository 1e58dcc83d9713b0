"""Collateral sold to repay a debt: published numbers of Perpetual Protocol v2, and who is favoured."""

import pytest
from hypothesis import assume, given

from ringfence.rules import repay as rule
from ringfence.rules.words import PPM, WAD
from rules.edges import natural, positive, ppm

pytestmark = pytest.mark.fuzz
FEED = 10**8
ETH = rule.discounted(3_000 * FEED, 100_000)


@pytest.mark.parametrize(
    ("debt", "requirement", "repaid"),
    [
        # perp-curie-contract test/vault/Vault.liquidationGetter.test.ts: half above 500 USD, 3 % to the fund.
        (0, 400, 412371134020618556701),
        (0, 600, 309278350515463917525),
        (300, 600, 309278350515463917525),  # the larger of the two counts
        (0, 500, 515463917525773195876),  # at the limit: all of it
        (0, 0, 0),
    ],
)
def test_most_that_is_repaid_at_once(debt, requirement, repaid):
    assert rule.max_repaid(debt * WAD, requirement * WAD, 500 * WAD, 500_000, 30_000) == repaid


def test_settlement_and_collateral_at_the_discounted_price():
    assert ETH == 2_700 * FEED
    assert rule.settlement_for(333333333333333000, ETH, FEED) == 899999999999999100000
    assert rule.collateral_for(900 * WAD, ETH, FEED) == 333333333333333334


@given(natural(), positive(), ppm)
def test_the_liquidator_is_never_favoured(amount, price, discount):
    at = rule.discounted(price, discount)
    assert at * PPM <= price * (PPM - discount)
    assume(at)
    bought = rule.collateral_for(amount, at, FEED)
    assert rule.settlement_for(bought, at, FEED) >= amount
    assert rule.settlement_for(amount, at, FEED) * FEED <= amount * at


@given(natural(), ppm)
def test_the_fund_never_takes_more_than_its_share(paid, fee):
    assert rule.insurance_fee(paid, fee) * PPM <= paid * fee
