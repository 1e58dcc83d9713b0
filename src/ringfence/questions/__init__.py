"""What a person asks of a book: margin and liquidation prices, and whether our numbers are the venue's."""
