"""Accounts in and out: our JSON, CSV and Parquet tables, ccxt positions, Hyperliquid state."""

from .account import Account, BookPosition, MarginMode, account_to_json
from .files import read_accounts

__all__ = ["Account", "BookPosition", "MarginMode", "account_to_json", "read_accounts"]
