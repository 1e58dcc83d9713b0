"""Margin rules: pure scalar functions over a closed vocabulary of exact words."""
