"""The worked examples of dYdX v4's documentation and client, asked of our rules and of our state machine.

Sources: `dydxprotocol/v4-documentation@3e475b73` (liquidations, contract loss mechanism) and `dydxprotocol/
v4-abacus@b0cf2199` (`V4CalculationTests.kt`), as the cases name them.
"""

from fractions import Fraction

from msgspec.structs import replace

from ...clearing import command as cmd
from ...clearing import event as ev
from ...clearing.decide import decide
from ...clearing.draft import Draft
from ...clearing.model import QUOTE, Position, Subaccount, Venue, market_subaccount
from ...clearing.policy import Liquidation, Policy
from ...clearing.risk import bankruptcy_q, is_liquidatable, leg_risk
from ...clearing.verdict import Accepted
from ...rules.words import PPM
from .dydx_v4_margin import rulebook_policy
from .dydx_v4_state import ENDLESS_Q, with_subaccounts
from .exact import ACCOUNT, POOL, ExactAccount, Leg, Rate, build
from .vectors import Case, Field, Ours, Range, RefusedError, Rule, UnsupportedError

WINNER = "winner"


def rates(rule: Field, market: str) -> tuple[Rate, ...]:
    """Margin rates of a market: one maintenance rate for all, or one per market; initial the same unless stated.

    Where a case states none, any will do: an only position's bankruptcy price does not depend on it.
    """
    stated, initial = rule.get("mmf"), rule.get("imf")
    if stated is None:
        return (Rate(Fraction(0), Fraction(1), Fraction(1)),)
    maintenance = (stated[market] if isinstance(stated.raw, dict) else stated).positive()
    return (Rate(Fraction(0), initial.positive() if initial else maintenance, maintenance),)


def account(case: Case, policy: Policy | None = None) -> ExactAccount:
    """The account of a worked example.

    Collateral called `equity` counts the positions at their marks. USDC is a deposit where the positions state what
    they were entered at, and a cash balance (positions paid for) where they do not.
    """
    rule, positions = case.body["rule"], [*case.body["positions"]]
    markets = [position["market"].text() for position in positions]
    cash = Fraction(0)
    for collateral in case.body.items("collateral"):
        asset = collateral["asset"].text()
        if asset not in ("equity", "USDC"):
            raise UnsupportedError(f"collateral of unknown meaning: {asset}")
        cash += collateral["amount"].fraction()
        price = "mark" if asset == "equity" else "entry"
        cash -= sum(
            held["size"].fraction() * paid.fraction() for held in positions if (paid := held.get(price))
        )
    legs = [
        Leg(market, held["size"].nonzero(), held["mark"].positive(), rates(rule, market))
        for market, held in zip(markets, positions, strict=True)
    ]
    return build(cash, legs, policy or rulebook_policy(), case.place)


def client_account(case: Case) -> Ours:
    """What the client shows of an account."""
    asked = account(case)
    found, market = asked.amounts(), case.body["positions"].only()["market"].text()
    return {
        "equity": found.equity,
        "im": found.initial,
        "mm": found.maintenance,
        "free_collateral": found.free,
        "leverage": quotient(found.notional, found.equity),
        "margin_usage": quotient(found.initial, found.equity),
        "liq_price": asked.liquidation_price(market),
        "liquidatable": is_liquidatable(asked.venue, asked.subaccount),
    }


def quotient(top: Range, bottom: Range) -> Range | None:
    """A ratio of two positive amounts; `None` where the lower one is not positive."""
    return Range(top.low / bottom.high, top.high / bottom.low) if bottom.low > 0 else None


def liquidation_price(case: Case) -> Ours:
    """Liquidation price of the first position, and the account at that price."""
    asked = account(case)
    market = case.body["positions"].first()["market"].text()
    found, root = asked.amounts(), asked.liquidation_price(market)
    ours: Ours = {
        "equity": found.equity,
        "mm": found.maintenance,
        "liq_price": root,
        "liq_price_market": market,
        "liquidatable": is_liquidatable(asked.venue, asked.subaccount),
    }
    if root is not None:
        low, high = asked.amounts({market: root.low}), asked.amounts({market: root.high})
        ours["equity_at_liq_price"] = spanned(low.equity, high.equity)
        ours["mm_at_liq_price"] = spanned(low.maintenance, high.maintenance)
    return ours


def spanned(first: Range, second: Range) -> Range:
    """The range that holds two others."""
    return Range(min(first.low, second.low), max(first.high, second.high))


def run(venue: Venue, command: cmd.AnyCommand) -> tuple[Draft, tuple[ev.AnyEvent, ...]]:
    """The state after a command that must be accepted, and its events."""
    verdict = decide(venue, command)
    if not isinstance(verdict, Accepted):
        raise RefusedError(verdict.reason.name)
    draft = Draft(venue)
    for event in verdict.events:
        draft.emit(event)
    return draft, verdict.events


def bankruptcy_price(asked: ExactAccount, market: str) -> Fraction:
    """Price (USD) at which closing the position uses up the account's equity."""
    held = asked.subaccount.positions[market]
    quote = asked.usd(bankruptcy_q(asked.venue, asked.subaccount, market, held.size_b))
    return quote / Fraction(held.size_b, 10 ** asked.venue.markets[market].base_decimals)


def insurance_example(case: Case) -> Ours:
    """A liquidation filled below the bankruptcy price, within the fillable price: the fund pays the difference."""
    rule, position = case.body["rule"], case.body["positions"].only()
    spread = rule["max_spread"].positive() / rule["mmf"].positive()
    asked = account(
        case,
        replace(rulebook_policy(), liquidation=Liquidation(limit="fillable", spread_ppm=int(spread * PPM))),
    )
    name = position["market"].text()
    taker = Subaccount(market_subaccount(name), "market", system=True)
    venue = replace(with_subaccounts(asked.venue, [taker]), ledger={f"fund/{POOL}": {QUOTE: ENDLESS_Q}})
    price = case.body["action"]["fill_price"].positive() * 10 ** asked.venue.markets[name].price_decimals
    if price.denominator != 1:
        raise UnsupportedError("the fill price has more decimals than the mark")
    draft, events = run(venue, cmd.Liquidate(ACCOUNT, name, 0, int(price)))
    (fill,) = (event for event in events if isinstance(event, ev.Liquidated))
    found, bought = asked.amounts(), asked.leg(name, position["entry"].positive())
    received = asked.usd(fill.notional_q)
    return {
        "mm_at_entry": bought.maintenance,
        "equity": found.equity,
        "mm": found.maintenance,
        "liquidatable": is_liquidatable(asked.venue, asked.subaccount),
        "bankruptcy_price": bankruptcy_price(asked, name),
        "realised_loss_at_fill": Range(bought.equity.low - received, bought.equity.high - received),
        "insurance_fund_delta": asked.usd(draft.venue.fund_q(POOL) - ENDLESS_Q),
        "liquidated_equity_after": asked.usd(draft.subaccount(ACCOUNT).quote_q),
    }


def deleveraging_example(case: Case) -> Ours:
    """An insolvent position closed against a winner who holds the other side from the same entry price."""
    position = case.body["positions"].only()
    asked, name = account(case), position["market"].text()
    held, entry = asked.subaccount.positions[name], position["entry"]
    price = int(entry.positive() * 10 ** asked.venue.markets[name].price_decimals)
    cost_q = -leg_risk(asked.venue.markets[name], held.size_b, price, asked.venue.policy.rounding).equity_q
    winner = Subaccount(
        WINNER, WINNER, balances={QUOTE: -cost_q}, positions={name: Position(-held.size_b, cost_q, 0)}
    )
    draft, _ = run(with_subaccounts(asked.venue, [winner]), cmd.Deleverage(ACCOUNT, name))
    side, size = "long" if held.size_b < 0 else "short", position["size"].text().removeprefix("-")
    return {
        "equity": asked.amounts().equity,
        "bankruptcy_price": bankruptcy_price(asked, name),
        f"counterparty_realised_pnl_{side}_{size}_from_{entry.text()}": asked.usd(
            draft.subaccount(WINNER).quote_q
        ),
        "liquidated_equity_after": asked.usd(draft.subaccount(ACCOUNT).quote_q),
    }


DOCS_KINDS: dict[str, Rule] = {
    "client_account": client_account,
    "doc_adl": deleveraging_example,
    "doc_insurance": insurance_example,
    "doc_liq_price": liquidation_price,
}
