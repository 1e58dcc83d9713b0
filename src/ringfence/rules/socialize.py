"""A loss that nobody pre-funded, spread over everybody through an index: per lot of open interest, or per deposit."""

from .words import UInt, min_, mul_div, mul_div_down, mul_div_up


def loss_per_lot(loss_q: UInt, lots_b: UInt, index_scale: UInt, rounding: UInt) -> UInt:
    """Rise of the funding index that longs pay (and fall of the one that shorts receive) so that `lots_b` bear a loss.

    `lots_b` counts both sides: each lot, long or short, pays the same. The venue asks for open interest.
    Sources: drift-labs/protocol-v2@0ae3e3b1 programs/drift/src/math/liquidation.rs:301-321 (rounded up, so that nothing
    is left unpaid); Vertex, `half_loss_per_lot`.
    """
    return mul_div(loss_q, index_scale, lots_b, rounding)


def half_loss_per_lot(loss_q: UInt, open_interest_b: UInt, index_scale: UInt) -> UInt:
    """`loss_per_lot` with the open interest of one side: half of the loss on each, both quotients rounded down.

    Source: vertex-protocol/vertex-contracts@e1381815 core/contracts/PerpEngine.sol (`socializeSubaccount`).
    """
    return mul_div_down(mul_div_down(loss_q, index_scale, open_interest_b), 1, 2)


def cut_deposit_index(index: UInt, loss: UInt, deposits: UInt) -> UInt:
    """Interest index of deposits after they bore `loss`: lower in proportion, the cut rounded up, never below 1.

    Without deposits it stays as it is. Source: drift-labs/protocol-v2@0ae3e3b1
    programs/drift/src/math/liquidation.rs (`calculate_cumulative_deposit_interest_delta_to_resolve_bankruptcy`).
    """
    if deposits == 0:
        return index
    return index - min_(mul_div_up(index, loss, deposits), index - 1)
