# pragma version ==0.4.3
"""
@title An aggregator whose answer anybody sets, for tests and measurements
@license Apache-2.0
"""

decimals: public(immutable(uint8))

round: uint80
answer: int256
started: uint256
updated: uint256
answered: uint80


@deploy
def __init__(_decimals: uint8):
    decimals = _decimals


@external
def set_round(round: uint80, answer: int256, started: uint256, updated: uint256, answered: uint80):
    """
    @notice Say what `latestRoundData` answers.
    """
    self.round = round
    self.answer = answer
    self.started = started
    self.updated = updated
    self.answered = answered


@external
@view
def latestRoundData() -> (uint80, int256, uint256, uint256, uint80):
    """
    @notice Round, answer, when it started, when it was updated, and the round that was answered.
    """
    return self.round, self.answer, self.started, self.updated, self.answered
