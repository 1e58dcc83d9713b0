"""Ringfence: a margin engine for perpetual futures, and the lab that decides how to set one up."""

__version__ = "0.1.0"
