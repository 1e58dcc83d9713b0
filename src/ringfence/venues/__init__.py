"""Rulebooks: the venues' rules as data, one TOML file per version, each value with its unit, date and source."""
