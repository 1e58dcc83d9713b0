"""A generated population beside what was observed.

`python -m ringfence.sim.census` prints the table of `docs/explain/population.md`; `--help` says how to vary it.
"""

import click
import numpy as np

from ringfence.errors import InputError
from ringfence.sim.balance import FloatArray
from ringfence.sim.population import load_population
from ringfence.sim.traders import Traders, generate

OBSERVED = {
    "gross notional of accounts below 3x": "0.36",
    "gross notional of accounts at 3-7x": "0.485",
    "gross notional of accounts above 7x": "0.15",
    "gross notional / equity, all accounts": "3-6",
    "account leverage, median": "unknown",
    "account leverage, p90": "unknown",
    "equity in USD, median": "997",
    "equity in USD, p99": "1.68M",
    "equity in USD, mean": "44k-88k",
    "equity held by the top 1 %": "0.82",
    "position in USD, median": "0.5k-10k",
    "position in USD, p90": "27k-340k",
    "positions per account": ">= 1.68",
    "accounts with one position": "0.66",
    "Spearman of equity and leverage": "-0.38..-0.30",
    "market makers, of accounts": "0.011",
    "market makers, of gross notional": "0.118 (volume)",
    "market makers, net / gross notional": "unknown",
    "long, of positions": "0.71-0.80",
    "isolated, of positions": "unknown",
    "isolated, of gross notional": "unknown",
    "balancer, of one-sided notional": "-",
}
"""What the sources of `data/population.toml` say of each figure of `measure`."""


def measure(traders: Traders) -> dict[str, float]:
    """Figures of a population that can be held against observation, by the keys of `OBSERVED`."""
    equity, notional, gross = traders.equity_usd, traders.notional_usd, traders.gross_notional_usd
    leverage, maker, isolated = traders.gross_leverage, traders.is_market_maker, traders.prefers_isolated
    below_3x, below_7x = (gross[leverage < limit].sum() / gross.sum() for limit in (3, 7))
    balancer = np.abs(traders.balancer_notional_usd).sum()
    values = (
        below_3x,
        below_7x - below_3x,
        1 - below_7x,
        gross.sum() / equity.sum(),
        *np.quantile(leverage, (0.5, 0.9)),
        *np.quantile(equity, (0.5, 0.99)),
        equity.mean(),
        np.sort(equity)[-max(1, equity.size // 100) :].sum() / equity.sum(),
        *np.quantile(notional, (0.5, 0.9)),
        notional.size / equity.size,
        np.mean(np.diff(traders.first_position) == 1),
        _rank_correlation(equity, leverage),
        maker.mean(),
        gross[maker].sum() / gross.sum(),
        np.abs(traders.net_notional_usd[maker]).sum() / max(gross[maker].sum(), 1e-9),
        np.mean(traders.side > 0),
        isolated.mean(),
        notional[isolated].sum() / notional.sum(),
        2 * balancer / (notional.sum() + balancer),
    )
    return dict(zip(OBSERVED, map(float, values), strict=True))


def _rank_correlation(first: FloatArray, second: FloatArray) -> float:
    """Spearman's coefficient; ties, too few to matter in continuous draws, keep their order; 0 for a single pair."""
    if first.size == 1:
        return 0.0
    return float(np.corrcoef(np.argsort(np.argsort(first)), np.argsort(np.argsort(second)))[0, 1])


@click.command()
@click.argument("populations", nargs=-1)
@click.option("--traders", default=400_000, show_default=True, help="Accounts per population.")
@click.option(
    "--markets", default=60, show_default=True, help="Markets; the default population's own come first."
)
@click.option("--seed", default=1, show_default=True)
def main(populations: tuple[str, ...], traders: int, markets: int, seed: int) -> None:
    """Measure POPULATIONS (built-in names or TOML files; all built-in ones when left out)."""
    named = [name for name in load_population("default").market_mix if name != "others"]
    names = (named + [f"M{number}" for number in range(len(named), markets)])[: max(markets, 0)]
    chosen = populations or ("default", "retail-heavy", "market-maker-heavy")
    try:
        columns = [measure(generate(names, traders, seed, population)) for population in chosen]
    except InputError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(2) from None
    click.echo("".join([f"{'':40}{'observed':>18}", *(f"{name:>20.20}" for name in chosen)]))
    for key, observed in OBSERVED.items():
        click.echo("".join([f"{key:40}{observed:>18}", *(f"{column[key]:>20,.4g}" for column in columns)]))


if __name__ == "__main__":
    main()
