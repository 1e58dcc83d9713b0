"""Straight lines through what margin rules ask at two prices, and where one takes over from another."""

from collections.abc import Iterable

from ..rules.words import FLOOR, abs_, mul_div

Line = tuple[int, int]
"""Slope and offset of an amount as a function of a price, both times the distance of two prices."""


def line(near_q: int, far_q: int, prices: tuple[int, int]) -> Line:
    """The line through two amounts at two prices."""
    return far_q - near_q, near_q * prices[1] - far_q * prices[0]


def crossing(first: Line, second: Line) -> tuple[int, ...]:
    """The whole numbers on both sides of where two lines cross; none where they are parallel."""
    if first[0] == second[0]:
        return ()
    rise, fall = second[0] - first[0], first[1] - second[1]
    at = mul_div(fall if rise > 0 else -fall, 1, abs_(rise), FLOOR)
    return at, at + 1


def upper(lines: Iterable[Line]) -> list[Line]:
    """The lines that are the highest somewhere, by rising slope."""
    hull: list[Line] = []
    for each in sorted(set(lines)):
        if hull and hull[-1][0] == each[0]:
            hull.pop()
        while len(hull) > 1 and _hidden(hull[-2], hull[-1], each):
            hull.pop()
        hull.append(each)
    return hull


def _hidden(low: Line, middle: Line, high: Line) -> bool:
    """Whether the middle line is nowhere above both others."""
    return (low[1] - high[1]) * (middle[0] - low[0]) <= (low[1] - middle[1]) * (high[0] - low[0])
