# pragma version ==0.4.3
"""
@title Who may do what
@license Apache-2.0
@notice An owner who changes in two steps, a feed that sets prices, and a time before which nobody is liquidated.
"""

event OwnershipOffered:
    offered: indexed(address)

event OwnershipTaken:
    owner: indexed(address)

event FeedSet:
    feed: indexed(address)


owner: public(address)
offered: public(address)
feed: public(address)
held_until: uint256


@deploy
def __init__(feed: address):
    self.owner = msg.sender
    self.feed = feed


@internal
@view
def only_owner():
    """
    @notice Refuse everybody but the owner.
    """
    assert msg.sender == self.owner, "NOT_OWNER"


@internal
@view
def only_feed():
    """
    @notice Refuse everybody but the feed.
    """
    assert msg.sender == self.feed, "NOT_FEED"


@internal
@view
def may_liquidate():
    """
    @notice Refuse liquidations until owners had time to act after the chain stood still.
    """
    assert block.timestamp >= self.held_until, "GRACE_PERIOD"


@internal
def hold_liquidations(until: uint256):
    """
    @notice No liquidation before `until`, unless a later time was set already.
    """
    if until > self.held_until:
        self.held_until = until


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


@external
def set_feed(feed: address):
    """
    @notice Let another contract set prices.
    """
    self.only_owner()
    self.feed = feed
    log FeedSet(feed=feed)
