"""The batch twin of `clearing`: the same commands on arrays, exact in 128 bits."""
