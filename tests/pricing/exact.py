"""Black-76 in decimal arithmetic of sixty digits: what the floating-point price is held to."""

from decimal import Decimal, localcontext

from ringfence.pricing.black76 import Terms

PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459230781640628620899")
LEAST = Decimal(10) ** -70


def normal_cdf(x: Decimal) -> Decimal:
    """The normal distribution by its series around zero."""
    if abs(x) > 40:
        return Decimal(x > 0)
    power = total = x
    n = 1
    while abs(power) > LEAST:
        power *= x * x / (2 * n + 1)
        total += power
        n += 1
    return Decimal("0.5") + total * (-x * x / 2).exp() / (2 * PI).sqrt()


def price(terms: Terms, vol: float) -> Decimal:
    """The price of an option; what sixty digits leave below zero far out of the money is their own error."""
    with localcontext() as context:
        context.prec = 60
        forward, strike, years, discount = map(
            Decimal, (terms.forward, terms.strike, terms.years, terms.discount)
        )
        deviation = Decimal(vol) * years.sqrt()
        if not deviation or not strike or not forward:
            return discount * max(forward - strike if terms.call else strike - forward, Decimal(0))
        d1 = (forward / strike).ln() / deviation + deviation / 2
        d2 = d1 - deviation
        if terms.call:
            found = forward * normal_cdf(d1) - strike * normal_cdf(d2)
        else:
            found = strike * normal_cdf(-d2) - forward * normal_cdf(-d1)
        return discount * max(found, Decimal(0))
