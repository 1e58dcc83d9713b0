"""The figures of a subaccount and its positions, each beside the evidence for it.

Values are read through `clearing.risk` and `clearing.solve`; an explanation puts the same question again under watch.
"""

from collections.abc import Callable
from fractions import Fraction
from functools import cached_property, partial
from itertools import islice

from ..books.record import Place
from ..clearing import command as cmd
from ..clearing import solve
from ..clearing.decide import decide
from ..clearing.model import QUOTE
from ..clearing.risk import Risk, cash_q, market_risk, risk_price, subaccount_risk
from ..clearing.verdict import Rejected
from ..errors import check
from ..rules.words import PPM
from ..units import QUOTE_DECIMALS, format_atoms, format_fraction
from ..venues.symbols import ANY
from .arrange import Held
from .build import UNLISTED, Built, Part
from .explain import Call, Explanation, Figure, Value, cite, watch, written
from .repriced import uniform_move_ppm
from .together import together

RATIO_DECIMALS = 12
"""Decimal places of ratios, which are rounded; amounts and trigger prices are exact."""

DISPLAY_DECIMALS = 10
"""Decimal places of a venue's displayed price where its rulebook does not say how many it shows."""

UNCOUNTED = "plus the part of the unrealized profit that the venue does not let count as margin"
"""How initial margin says that profit is not counted."""

_DIRECTIONS = ("floor", "ceil", "trunc")


class PartFigures:
    """Figures of one subaccount."""

    def __init__(self, built: Built, part: Part) -> None:
        self.built, self.part, self.venue = built, part, built.venue
        self.subaccount = built.venue.subaccounts[part.subaccount]
        self.risk = subaccount_risk(self.venue, self.subaccount)
        self.is_whole = UNLISTED not in self.subaccount.positions
        self.positions = tuple(PositionFigures(self, held) for held in part.held)

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """All figures by their names. What depends on something that the file does not say has no value."""
        risk = self.risk
        margin_ratio, leverage = (
            ratio(risk.maintenance_q, risk.equity_q),
            ratio(risk.notional_q, risk.equity_q),
        )
        found = (
            self.equity(),
            self._sum("notional", risk.notional_q),
            self._sum("initialMargin", risk.initial_q),
            self._sum("maintenanceMargin", risk.maintenance_q),
            self._derived("freeCollateral", quote(risk.free_q), "equity - initialMargin", ("initialMargin",)),
            self._derived("marginRatio", margin_ratio, "maintenanceMargin / equity", ("maintenanceMargin",)),
            self._derived("leverage", leverage, "notional / equity", ("notional",)),
            self.liquidatable(),
            self.uniform_move(),
            self.removable(),
        )
        return {figure.name: figure for figure in found}

    def given(
        self, name: str, value: Callable[[], Value], why: Callable[[], Explanation], *, whole: bool = True
    ) -> Figure:
        """A figure that needs to know the collateral and, where it takes the `whole`, every position."""
        unknown = ""
        if not self.part.knows_collateral:
            unknown = "the file does not say what backs these positions"
        elif whole and not self.is_whole:
            unknown = "the file does not list all positions"
        if unknown:
            place = str(self.built.account.place)
            return Figure(name, lambda: None, lambda: Explanation(name, written(None), unknown, source=place))
        return Figure(name, value, why)

    def equity(self) -> Figure:
        """Cash, other collateral after its haircut, and the positions' value."""
        text = quote(self.risk.equity_q)

        def why() -> Explanation:
            cash, calls = watch(lambda: cash_q(self.venue, self.subaccount))
            others = tuple(call.explained(quote_only) for call in calls.find("collateral_q"))
            value_q = sum(position.value_q for position in self.positions)
            check(cash + value_q == self.risk.equity_q, "equity is cash and the worth of positions")
            parts = (self._balance(), *others, *(position.worth() for position in self.positions))
            formula = "quote balance + other collateral + value of each position"
            return Explanation("equity", text, formula, parts)

        return self.given("equity", lambda: text, why, whole=False)

    def _balance(self) -> Explanation:
        """The quote balance: collateral less what the positions cost."""
        costs = tuple(position.cost() for position in self.positions)
        place = self.built.account.place.field("collateral").field(QUOTE)
        held = (self.built.account.collateral or {}).get(QUOTE, 0)
        if self.part.mode == "isolated":
            position = self.part.held[0].position
            held, place = position.collateral or 0, position.place.field("collateral")
        collateral = Explanation("collateral", format(held, "f"), source=str(place))
        formula = "collateral - cost of each position, rounded down"
        return Explanation("quote balance", quote(self.subaccount.quote_q), formula, (collateral, *costs))

    def _sum(self, name: str, total_q: int) -> Figure:
        """A figure that is the sum of the positions'."""

        def why() -> Explanation:
            if self.venue.policy.set_rule is not None and name != "notional":
                return together(self.venue, self.subaccount, name, total_q, self.built.rulebook)
            parts = [position.figures[name].explain() for position in self.positions]
            if not self.is_whole:
                rest_q = market_risk(self.venue, self.subaccount, UNLISTED).maintenance_q
                parts.append(Explanation(UNLISTED, quote(rest_q), source=str(self.built.account.place)))
            formula = f"sum of the {name} of all positions"
            if name == "initialMargin" and self.venue.policy.initial_profit_cap_of == "account":
                _, calls = watch(lambda: subaccount_risk(self.venue, self.subaccount))
                beyond = [call.explained(quote_only) for call in calls.find("uncounted_profit_q")]
                parts, formula = [*parts, *beyond], f"{formula}; {UNCOUNTED}" if beyond else formula
            return Explanation(name, quote(total_q), formula, tuple(parts))

        if self.is_whole or name == "maintenanceMargin":
            return Figure(name, lambda: quote(total_q), why)
        return self.given(name, lambda: None, why)

    def liquidatable(self) -> Figure:
        """The trigger at the present marks."""
        at_equality = self.venue.policy.trigger_at_equality
        truth = self.risk.liquidatable(at_equality=at_equality)
        formula = f"maintenanceMargin > 0 and equity {'<=' if at_equality else '<'} maintenanceMargin"
        source = cite(self.built.rulebook, "policy.trigger_at_equality")
        return self._derived("liquidatable", truth, formula, ("maintenanceMargin",), source)

    def _derived(
        self, name: str, value: Value, formula: str, inputs: tuple[str, ...], source: str = ""
    ) -> Figure:
        """A figure that follows from the subaccount's equity and another of its figures."""

        def why() -> Explanation:
            return Explanation(name, written(value), formula, amounts(self.risk, "equity", *inputs), source)

        return self.given(name, lambda: value, why, whole=inputs != ("maintenanceMargin",))

    def uniform_move(self) -> Figure:
        """Percent by which all marks would have to move together; negative is a fall."""
        name = "uniformMoveToLiquidation"

        def value() -> str | None:
            move_ppm = uniform_move_ppm(self.built, self.subaccount)
            return None if move_ppm is None else format_fraction(Fraction(move_ppm * 100, PPM), 4)

        def why() -> Explanation:
            marks = (
                Explanation(f"markPrice of {p.market.id}", p.price(p.market.mark)) for p in self.positions
            )
            inputs = (*amounts(self.risk, "equity", "maintenanceMargin"), *marks)
            formula = "smallest move of all marks, in percent, at which it is liquidatable; found by search"
            return Explanation(name, written(value()), formula, inputs)

        return self.given(name, value, why)

    def removable(self) -> Figure:
        """What may leave now: out of the account, or from an isolated position back to it."""
        parent, source = self.subaccount.parent, self.part.subaccount
        name = "maxWithdrawal" if parent is None else "removableMargin"

        def command(amount: int) -> cmd.AnyCommand:
            if parent is None:
                return cmd.Withdraw(source, QUOTE, amount)
            return cmd.TransferMargin(source, parent, QUOTE, amount)

        def most_q() -> int:
            if not self.part.removable:
                return 0
            if parent is None:
                return solve.max_withdrawal(self.venue, source)
            return solve.removable_margin_q(self.venue, source, parent)

        def why() -> Explanation:
            if not self.part.removable:
                return Explanation(name, "0", "the venue lets no margin leave while the position is open")
            amount = most_q()
            verdict, calls = watch(lambda: decide(self.venue, command(amount + 1)))
            asked = tuple(call.explained(quote_only) for call in calls.find("withdrawal_q"))
            sentence = verdict.reason.sentence if isinstance(verdict, Rejected) else "accepted"
            beyond = Explanation("one atom more", sentence, inputs=asked)
            rule = cite(self.built.rulebook, "policy.withdrawal_floor")
            return Explanation(name, quote(amount), "largest amount that the engine lets go", (beyond,), rule)

        return self.given(name, lambda: quote(most_q()), why)


class PositionFigures:
    """Figures of one position in its subaccount."""

    def __init__(self, part: PartFigures, held: Held) -> None:
        self.part, self.position = part, held.position
        self.venue, self.subaccount = part.venue, part.subaccount
        self.market = part.venue.markets[held.market]
        self.held = part.subaccount.positions[held.market]
        self.leg = market_risk(self.venue, self.subaccount, self.market.id)
        self.value_q = self.leg.equity_q
        self.place: Place = held.position.place

    @cached_property
    def figures(self) -> dict[str, Figure]:
        """All figures by their names."""
        found = (
            self._of_leg("notional", self.leg.notional_q, "size x mark price", ("notional_q",)),
            self.unrealized_pnl(),
            self.initial_margin(),
            self.maintenance_margin(),
            self.part.figures["marginRatio"],
            self.liquidation_price(),
            self.venue_liquidation_price(),
        )
        return {figure.name: figure for figure in found}

    def price(self, quanta: int) -> str:
        """A price of this market as text."""
        return format_atoms(quanta, self.market.price_decimals)

    def show(self, name: str, value: object) -> str | None:
        """An argument or answer of a rule as text in its own unit; structures are left out."""
        if not isinstance(value, int) or isinstance(value, bool):
            return None
        if name in {"price", "at"}:
            return self.price(value)
        if name.endswith("_b"):
            return format_atoms(value, self.market.base_decimals)
        if name == "rounding":
            return _DIRECTIONS[value]
        return quote(value) if name.endswith("_q") or name == "notional" else str(value)

    def leg_calls(self) -> Call:
        """The calls of the rules that give this position's share of the risk."""
        leg, calls = watch(lambda: market_risk(self.venue, self.subaccount, self.market.id))
        check(leg == self.leg, "the same question has the same answer")
        return next(calls.find("market_risk"))

    def calls(self, *names: str) -> tuple[Explanation, ...]:
        """Size and price, and those calls that went to rules of these names, explained."""
        leg, mark = self.leg_calls(), self.part.built.marks[self.market.id]
        return (
            self.size(),
            Explanation("markPrice", self.price(self.market.mark), source=str(mark)),
            *(call.explained(self.show) for name in names for call in islice(leg.find(name), 1)),
        )

    def size(self) -> Explanation:
        """The signed size as the file states it."""
        return Explanation("size", format(self.position.size, "f"), source=str(self.place))

    def _of_leg(
        self, name: str, amount_q: int, formula: str, rules: tuple[str, ...], source: Callable[[], str] = str
    ) -> Figure:
        """A figure of this position alone; `source` is only asked for the explanation."""

        def why() -> Explanation:
            return Explanation(name, quote(amount_q), formula, self.calls(*rules), source())

        return Figure(name, lambda: quote(amount_q), why)

    def worth(self) -> Explanation:
        """Value at the mark, signed."""
        return Explanation(
            f"value of {self.market.id}", quote(self.value_q), "size x mark price", self.calls("value_q")
        )

    def cost(self) -> Explanation:
        """Value at the entry price, signed."""
        entry = self.position.entry_price
        price = Explanation(
            "entryPrice", written(None if entry is None else format(entry, "f")), source=str(self.place)
        )
        formula = (
            "size x entry price" if entry is not None else "size x mark price, as no entry price is stated"
        )
        return Explanation(
            f"cost of {self.market.id}", quote(self.held.cost_q), formula, (self.size(), price)
        )

    def unrealized_pnl(self) -> Figure:
        """Value less cost; none where no entry price is stated."""
        name = "unrealizedPnl"
        text = None if self.position.entry_price is None else quote(self.value_q - self.held.cost_q)
        return Figure(
            name,
            lambda: text,
            lambda: Explanation(name, written(text), "value - cost", (self.worth(), self.cost())),
        )

    def initial_margin(self) -> Figure:
        """What opening the position asks."""
        formula = (
            "margin of the rule at the chosen leverage + the market's minimum; never below maintenance margin"
        )
        rules: tuple[str, ...] = ("notional_q", "initial_q")
        policy = self.venue.policy
        if policy.initial_profit_cap_q is not None and policy.initial_profit_cap_of == "position":
            formula, rules = f"{formula}; {UNCOUNTED}", (*rules, "uncounted_profit_q")
        return self._of_leg("initialMargin", self.leg.initial_q, self.alone(formula), rules, self.rule_source)

    def maintenance_margin(self) -> Figure:
        """What keeping the position asks."""
        formula = "margin of the rule + the market's minimum"
        rules: tuple[str, ...] = ("notional_q", "maintenance_q")
        if self.market.close_cost is not None:
            formula, rules = f"{formula} + estimated cost of closing", (*rules, "close_cost_q")
        return self._of_leg(
            "maintenanceMargin", self.leg.maintenance_q, self.alone(formula), rules, self.rule_source
        )

    def alone(self, formula: str) -> str:
        """A margin's formula; says that it is the position's own where a rule judges all of them together."""
        return formula if self.venue.policy.set_rule is None else f"alone: {formula}"

    def rule_source(self) -> str:
        """Where the margin rule of this market comes from."""
        rulebook = self.part.built.rulebook
        if self.market.option is not None:
            tables = (*rulebook.values("portfolio"), *rulebook.values("standard"))
            return cite(rulebook, tables[0][0])
        if self.market.id not in rulebook.symbols and not rulebook.lists_any:
            return str(self.place.field("maxLeverage"))
        if rulebook.market(self.market.id).requirement != self.market.requirement:
            return str(self.place.field("maxLeverage"))
        row = self.market.id if self.market.id in rulebook.symbols else ANY
        table = rulebook.ask(f"markets.{row}.margin")
        return cite(rulebook, next(path for path, _ in rulebook.values(f"margin.{table}")))

    def liquidation_price(self) -> Figure:
        """The trigger: at it the subaccount is liquidatable, one price quantum before it, it is not."""
        name = "liquidationPrice"
        if self.market.option is not None:
            return self._none_of_options(name)

        def find() -> int | None:
            return solve.liquidation_price(self.venue, self.subaccount, self.market.id)

        def text() -> str | None:
            found = find()
            return None if found is None else self.price(found)

        def why() -> Explanation:
            found = find()
            sign = "<=" if self.venue.policy.trigger_at_equality else "<"
            formula = f"price nearest to the mark with equity {sign} maintenanceMargin, all else held; found by search"
            probes = (1, solve.PRICE_MAX) if found is None else (found - 1, found, found + 1)
            evidence = tuple(self._at(price) for price in probes if price > 0)
            source = cite(self.part.built.rulebook, "policy.trigger_at_equality")
            return Explanation(name, written(text()), formula, evidence, source)

        return self.part.given(name, text, why, whole=False)

    def _none_of_options(self, name: str) -> Figure:
        """An option has no liquidation price: its own moves with that of its underlying and never alone."""
        why = "an option's price moves with that of its underlying; see uniformMoveToLiquidation"
        place = str(self.place)
        return Figure(name, lambda: None, lambda: Explanation(name, written(None), why, source=place))

    def _at(self, price: int) -> Explanation:
        """What would hold at another price of this market."""
        risk = subaccount_risk(self.venue, self.subaccount, {self.market.id: price})
        bad = risk.liquidatable(at_equality=self.venue.policy.trigger_at_equality)
        return Explanation(
            f"at {self.price(price)}",
            "liquidatable" if bad else "safe",
            inputs=amounts(risk, "equity", "maintenanceMargin"),
        )

    def venue_liquidation_price(self) -> Figure:
        """What the venue displays, where its rulebook says how it computes it."""
        name, rulebook = "venueLiquidationPrice", self.part.built.rulebook
        if self.market.option is not None:
            return self._none_of_options(name)
        display, text = (
            rulebook.display,
            partial(shown_price, self.part.built, self.part.part, self.market.id),
        )

        def why() -> Explanation:
            fixed = "at the mark" if display.maintenance == "at_current_mark" else "at that price"
            start = "rounded" if self.part.part.mode in display.rounds_maintenance_of else "exact"
            formula = f"price with equity = maintenance margin {fixed}, from the {start} surplus at the mark"
            mark = Explanation("markPrice", self.price(risk_price(self.venue, self.market)))
            inputs = (mark, *amounts(self.part.risk, "equity", "maintenanceMargin"))
            return Explanation(name, written(text()), formula, inputs, cite(rulebook, "display.maintenance"))

        return self.part.given(name, text, why, whole=False)


def exact_shown_price(built: Built, part: Part, market_id: str) -> Fraction | None:
    """The liquidation price that the venue displays, in quote, before it is rounded to the digits shown."""
    display, subaccount = built.rulebook.display, built.venue.subaccounts[part.subaccount]
    at_mark, from_rounded = (
        display.maintenance == "at_current_mark",
        part.mode in display.rounds_maintenance_of,
    )
    quanta = solve.displayed_price(
        built.venue, subaccount, market_id, at_mark=at_mark, from_rounded=from_rounded
    )
    return None if quanta is None else quanta / 10 ** built.venue.markets[market_id].price_decimals


def shown_price(built: Built, part: Part, market_id: str, decimals: int = DISPLAY_DECIMALS) -> str | None:
    """The same as the venue writes it; `decimals` count where its rulebook does not say how many it shows.

    A price that rounds to zero is none: no positive price liquidates the position.
    """
    exact, stated = exact_shown_price(built, part, market_id), built.rulebook.display.decimals
    if exact is None:
        return None
    text = format_fraction(exact, decimals if stated is None else stated)
    return None if text == "0" else text


def amounts(risk: Risk, *names: str) -> tuple[Explanation, ...]:
    """Amounts of a risk by their names."""
    by_name = {
        "equity": risk.equity_q,
        "notional": risk.notional_q,
        "initialMargin": risk.initial_q,
        "maintenanceMargin": risk.maintenance_q,
    }
    return tuple(Explanation(name, quote(by_name[name])) for name in names)


def quote(amount_q: int) -> str:
    """Quote atoms as text."""
    return format_atoms(amount_q, QUOTE_DECIMALS)


def quote_only(name: str, value: object) -> str | None:
    """Arguments that are amounts of the quote asset as text, other whole numbers as they are."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return quote(value) if name.endswith("_q") else str(value)


def ratio(top_q: int, bottom_q: int) -> str | None:
    """A ratio as text; none where the denominator is not positive."""
    return format_fraction(Fraction(top_q, bottom_q), RATIO_DECIMALS) if bottom_q > 0 else None
