"""Many subaccounts through one price path: whom it touches, what happens to them, what is left."""
