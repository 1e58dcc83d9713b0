"""Accounts as a file would state them, from texts of numbers."""

from decimal import Decimal

from ringfence.books import Account, BookPosition

D = Decimal


def cross(symbol, size, entry, mark, **more):
    return BookPosition(symbol, D(size), None if entry is None else D(entry), D(mark), "cross", **more)


def isolated(symbol, size, entry, mark, collateral, **more):
    return BookPosition(symbol, D(size), D(entry), D(mark), "isolated", collateral=D(collateral), **more)


def account(*positions, usdc="10000", name="desk", **more):
    return Account(name, {"USDC": D(usdc), **more.pop("assets", {})}, positions, **more)
