"""The comparison of margin modes, measured."""
