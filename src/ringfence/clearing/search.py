"""Search over whole numbers: where a surplus changes sides of zero, and the largest amount that is accepted."""

from collections.abc import Callable, Iterable, Iterator

from ..rules.words import abs_, max_, min_, mul_div_down


def frontier(surplus: Callable[[int], int], start: int, stops: Iterable[int]) -> int | None:
    """First candidate, walking from `start` through `stops`, at which `surplus` changes sides of zero.

    Between two stops it does so at most once. Returns the negative side of the change: the first candidate below zero,
    or, when `start` itself is below, the last one before it is not. `None` when nothing changes.
    """
    near, near_q = start, surplus(start)
    begun = near_q < 0
    for far in stops:
        far_q = surplus(far)
        if (far_q < 0) != begun:
            last, first = _neighbours(surplus, near, near_q, far, far_q)
            return last if begun else first
        near, near_q = far, far_q
    return None


def _neighbours(
    surplus: Callable[[int], int], near: int, near_q: int, far: int, far_q: int
) -> tuple[int, int]:
    """Two neighbours, the nearer first, on different sides of zero; searched between two candidates that are.

    A surplus is nearly a straight line, so where that line crosses zero is tried first (regula falsi, with the weight
    of an end halved whenever it stays: the Illinois rule). Every third step halves what is left, so that a jump costs
    no more than three times what halving alone would.
    """
    below, turn = near_q < 0, 0
    weight, other = abs_(2 * near_q + 1), abs_(2 * far_q + 1)
    while abs_(far - near) > 1:
        turn += 1
        num, den = (1, 2) if turn % 3 == 0 else (weight, weight + other)
        inside = abs_(far - near) - 1
        step = min_(max_(mul_div_down(inside, num, den), 1), inside)
        at = near + step if far > near else near - step
        at_q = surplus(at)
        if (at_q < 0) == below:
            near, weight, other = at, abs_(2 * at_q + 1), max_(1, mul_div_down(other, 1, 2))
        else:
            far, weight, other = at, max_(1, mul_div_down(weight, 1, 2)), abs_(2 * at_q + 1)
    return near, far


def largest(accepted: Callable[[int], bool], most: int, guess: int = 1) -> int:
    """Largest amount in 1..`most` that is accepted when amounts up to it are; 0 when not even 1 is.

    The search begins at `guess`; a good one saves time and changes nothing else.
    """
    if not accepted(1):
        return 0
    start = min_(max_(guess, 1), most)
    end = most if accepted(start) else 1
    refused = frontier(lambda amount: 0 if accepted(amount) else -1, start, _strides(start, end))
    return most if refused is None else refused - 1


def _strides(start: int, end: int) -> Iterator[int]:
    """Candidates on the way from `start` to `end`, at distances that double."""
    reach = 1
    while reach < abs_(end - start):
        yield start + reach if end > start else start - reach
        reach *= 2
    yield end
