"""How fast flagged positions may be closed in a market, as data; `clearing.windows` counts the lots."""

from msgspec import Struct


class Window(Struct, frozen=True):
    """The pace of a market: its capacity follows from the venue's fees, the depth and the multiplier."""

    depth_b: int
    """The market's skew scale."""
    multiplier_ppm: int
    length_ms: int
    premium_ppm: int = 0
    """An exhausted window opens once more per block while skew over depth is below this; 0 is never."""

    def on_grid(self, base: int) -> "Window":
        """The window where one base atom became `base` of them."""
        return Window(self.depth_b * base, self.multiplier_ppm, self.length_ms, self.premium_ppm)


class Closing(Struct, frozen=True, array_like=True):
    """Lots of a market that liquidations closed at once, and when."""

    time_ms: int
    block: int
    size_b: int
