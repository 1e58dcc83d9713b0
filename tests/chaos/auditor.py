"""The auditor: after every command it says what the state must be, and finds whatever is different.

It sees what anybody could see: the command, the answer and the state, by the names of their fields. `Shadow` works out
what had to follow; the checks below it hold whatever the rules are: money and lots are conserved, a refusal leaves no
trace, events tell the whole story, a loss stays inside its fences, and a refusal for want of margin or for health is
true.
"""

from collections import Counter
from pickle import dumps, loads

from msgspec import json

from chaos.books import QUOTE, AuditError, must, things
from chaos.shadow import Shadow

LOSS_STEPS = (
    *("Liquidate", "TakeOver", "SellCollateral", "DrawInsurance", "Deleverage", "Socialize"),
    *("StartAuction", "Bid", "Expire", "RelievePool"),
)
MARGIN = (
    *("INITIAL_MARGIN", "INITIAL_MARGIN_COUNTERPARTY", "PARENT_MARGIN", "ACCOUNT_MARGIN"),
    *("BACKSTOP_CAPACITY", "MARGIN_LOCKED", "WITHDRAWALS_GATED"),
)


class Auditor:
    """Holds the state as it was after the last command, and the second clearinghouse."""

    def __init__(self, venue):
        self.told, self.last = encode(venue), things(venue)
        self.shadow = Shadow(things(venue))
        self.brought = Counter()
        self.pledged_or_borrowed = set()
        self.commands = 0

    def check(self, command, answer, venue):
        """`answer` is the events of an accepted command, or the name of the reason for a refusal."""
        c, told = things(command), encode(venue)
        try:
            if isinstance(answer, str):
                self.refused(c, answer, things(venue) if told != self.told else self.last)
            else:
                self.accepted(c, [things(event) for event in answer], things(venue))
        except AuditError as wrong:
            raise AuditError(f"command {self.commands} {command}: {wrong}") from None
        self.told = told
        self.commands += 1

    def refused(self, c, reason, now):
        if now != self.last:
            raise AuditError(f"a refusal left a trace: {differences(self.last, now)}")
        if reason in MARGIN and c.type in ("Trade", "Withdraw", "TransferMargin"):
            self.would_be_wrong(c, reason)
        elif reason == "NOT_LIQUIDATABLE" and c.type == "Liquidate":
            must(not self.shadow.liquidatable(c.subaccount), f"{c.subaccount} is liquidatable")
        elif reason == "NOT_INSOLVENT":
            least = 0 if self.last.policy.insurance == "all_or_nothing" else 1
            must(self.shadow.risk(c.subaccount).equity >= least, f"{c.subaccount} has no equity left")

    def would_be_wrong(self, c, reason):
        """Who is refused for want of margin must really lack it."""
        twin = Shadow(loads(dumps(self.shadow.state)))
        try:
            twin.apply(c)
        except AuditError:
            return
        raise AuditError(f"refused with {reason} without need")

    def accepted(self, c, events, now):
        self.shadow.apply(c)
        if self.shadow.state != now:
            raise AuditError(f"state differs: {differences(self.shadow.state, now)}")
        told = balances(self.last)
        for event in events:
            if event.type == "Transfer":
                must(event.amount > 0, f"an empty transfer: {event}")
                told[event.debit, event.asset] -= event.amount
                told[event.credit, event.asset] += event.amount
                self.pledged_or_borrowed |= {event.credit, event.debit} if event.asset != QUOTE else set()
        held = balances(now)
        if not same(told, held):
            raise AuditError(f"events do not tell how balances changed: {differences(told, held)}")
        self.conserved(c, now)
        self.fenced(c, now)
        self.last = now

    def settled(self, *, everybody):
        """After all that is due was done: nobody is flat and owes what no pool owns up to; nobody else is insolvent.

        Who ever pledged other collateral is left out of the first: a debt against it is nobody's loss until it is sold,
        and what its sale does not bring stays with the debtor. So is who ever owed it: the loan holds margin, so its
        part of a negative equity is no market's. The second holds for `everybody` or not at all.
        """
        for name, sub in self.last.subaccounts.items():
            if sub.positions and everybody and not sub.system:
                must(self.shadow.risk(name).equity >= 0, f"{name} was left insolvent")
            elif not (sub.positions or sub.system or f"sub/{name}" in self.pledged_or_borrowed):
                must(sub.balances.get(QUOTE, 0) >= 0, f"{name} is flat and owes what no pool owes")

    def conserved(self, c, now):
        """Invariant 1: all that is there was brought in, lots sum to zero, and no fund is negative."""
        sign = {"Deposit": 1, "FundInsurance": 1, "Withdraw": -1}.get(c.type, 0)
        self.brought[c.get("asset", QUOTE)] += sign * c.get("amount", 0)
        inside = Counter()
        for (account, asset), amount in balances(now).items():
            inside[asset] += 0 if account == "outside" else amount
        must(same(inside, self.brought), f"{inside} inside, {self.brought} brought in")
        for name, market in now.markets.items():
            lots = [sub.positions[name].size_b for sub in now.subaccounts.values() if name in sub.positions]
            must(sum(lots) == 0, f"lots of {name} sum to {sum(lots)}")
            must(market.open_interest_b == sum(size for size in lots if size > 0), f"open interest of {name}")
        for (account, _), amount in balances(now).items():
            must(not account.startswith("fund/") or amount >= 0, f"{account} holds {amount}")
            must(not account.startswith("debt/") or amount <= 0, f"{account} was overpaid by {amount}")

    def fenced(self, c, now):
        """Invariant 5: outside a loss step only the parties and their parents change; inside one, its pool's people."""
        before, after = balances(self.last), balances(now)
        changed = {
            account for account, asset in before | after if before[account, asset] != after[account, asset]
        }
        allowed = self.parties(c, now) | {"outside", "fees"} | {f"funding/{market}" for market in now.markets}
        if c.type in LOSS_STEPS:
            allowed |= self.pool_people(c)
        elif c.type in ("SettleMarket", "ChangePolicy"):
            allowed |= {f"sub/{name}" for name in self.swept()}
        else:
            allowed |= {f"fund/{c.get('pool')}"} if c.type == "FundInsurance" else set()
        must(changed <= allowed, f"{sorted(changed - allowed)} changed and had no part in it")

    def parties(self, c, now):
        names = ("subaccount", "source", "target", "taker", "maker", "counterparty", "backstop", "bidder")
        named = {c[name] for name in names if c.get(name)}
        parents = {now.subaccounts[name].parent for name in named if name in now.subaccounts}
        return {f"sub/{name}" for name in named | parents if name}

    def pool_people(self, c):
        """Accounts that a loss step of one pool may touch beyond the parties."""
        markets, subs = self.last.markets, self.last.subaccounts
        pool = c.get("pool") or (markets[c.market].pool if c.get("market") else None)
        reached = {f"fund/{pool}", f"debt/{pool}"} if pool else set()
        if c.type in ("StartAuction", "Bid"):
            pools = {markets[name].pool for name in subs[c.subaccount].positions} or {min(self.last.pools)}
            reached |= {f"{book}/{name}" for book in ("fund", "debt") for name in pools}
        reached |= {f"sub/market/{c[key]}" for key in ("market", "asset") if c.get(key)}
        if c.type not in ("Deleverage", "Socialize", "Expire", "RelievePool"):
            return reached
        whole_pool = c.type in ("Deleverage", "Socialize")
        own = {name for name, market in markets.items() if market.pool == pool} if whole_pool else {c.market}
        exposed = {name for name, sub in subs.items() if own & sub.positions.keys()}
        parents = {subs[name].parent for name in exposed} if c.type != "Socialize" else set()
        reached |= {f"settlement/{c.market}", "rounding"} if c.type == "Expire" else set()
        return reached | {f"sub/{name}" for name in exposed | parents if name}

    def swept(self):
        """Who may hand what is left to a parent when orders or auctions end for all: the flat ones, and those."""
        flat = {name for name, sub in self.last.subaccounts.items() if sub.parent and not sub.positions}
        return flat | {self.last.subaccounts[name].parent for name in flat}


def encode(venue):
    return json.encode(venue, order="deterministic")


def balances(state):
    """Every balance that is not zero, by account and asset."""
    held = Counter()
    for name, sub in state.subaccounts.items():
        held.update({(f"sub/{name}", asset): amount for asset, amount in sub.balances.items()})
    for account, amounts in state.ledger.items():
        held.update({(account, asset): amount for asset, amount in amounts.items()})
    return held


def same(first, second):
    return all(first[key] == second[key] for key in first.keys() | second.keys())


def differences(first, second, path=""):
    """The first few leaves in which two structures differ, as text."""
    return "; ".join(list(_differences(first, second, path))[:4])


def _differences(first, second, path):
    if isinstance(first, dict) and isinstance(second, dict):
        for key in sorted(first.keys() | second.keys(), key=str):
            yield from _differences(first.get(key), second.get(key), f"{path}/{key}")
    elif first != second:
        yield f"{path}: {first} must be, {second} is" if path else f"{first} != {second}"
