"""The compiled engine: many subaccounts at once, exact in 128 bits. Nothing here is imported before it is used."""
