"""The clearinghouse: an exact, deterministic state machine over integers."""
