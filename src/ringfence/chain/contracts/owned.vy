# pragma version ==0.4.3
"""
@title An owner who changes in two steps
@license Apache-2.0
@notice The next owner has to accept, so that ownership is never lost to an address that nobody holds.
"""

event OwnershipOffered:
    offered: indexed(address)

event OwnershipTaken:
    owner: indexed(address)

owner: public(address)
offered: public(address)


@deploy
def __init__():
    self.owner = msg.sender
    log OwnershipTaken(owner=msg.sender)


@internal
@view
def only_owner():
    """
    @dev Refuse everybody but the owner.
    """
    assert msg.sender == self.owner, "NOT_OWNER"


@external
def transfer_ownership(to: address):
    """
    @notice Offer the ownership; it changes hands when `to` accepts.
    """
    self.only_owner()
    self.offered = to
    log OwnershipOffered(offered=to)


@external
def accept_ownership():
    """
    @notice Take an ownership that was offered to the caller.
    """
    assert msg.sender == self.offered, "NOT_OWNER"
    self.owner = msg.sender
    self.offered = empty(address)
    log OwnershipTaken(owner=msg.sender)
