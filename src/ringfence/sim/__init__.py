"""The laboratory: prices, traders, impact and keepers, run through the engine from one seed."""
