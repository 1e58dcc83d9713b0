# pragma version ==0.4.3
"""
@title A token that calls back while it is moved
@license Apache-2.0
"""

balanceOf: public(HashMap[address, uint256])
target: address
data: Bytes[1024]
tried: public(bool)
worked: public(bool)


@external
def mint(to: address, amount: uint256):
    """
    @notice Make tokens out of nothing.
    """
    self.balanceOf[to] += amount


@external
def arm(target: address, data: Bytes[1024]):
    """
    @notice Make this call whenever tokens move.
    """
    self.target = target
    self.data = data
    self.tried = False
    self.worked = False


@external
def attack():
    """
    @notice Make the call now.
    """
    self._attack()


@external
def transfer(to: address, amount: uint256) -> bool:
    """
    @notice Move tokens, and call back.
    """
    self.balanceOf[msg.sender] -= amount
    self.balanceOf[to] += amount
    self._attack()
    return True


@external
def transferFrom(sender: address, to: address, amount: uint256) -> bool:
    """
    @notice Move tokens without asking, and call back.
    """
    self.balanceOf[sender] -= amount
    self.balanceOf[to] += amount
    self._attack()
    return True


@internal
def _attack():
    if self.target != empty(address):
        self.tried = True
        self.worked = raw_call(self.target, self.data, revert_on_failure=False)
