"""How fast flagged positions may be closed in a market, as data; `clearing.windows` counts the lots."""

from msgspec import Struct
from msgspec.structs import replace


class Window(Struct, frozen=True):
    """The pace of a market: for each second its fees' share of the depth, as often as the multiplier says."""

    depth_b: int
    """The market's skew scale."""
    fees_ppm: int
    """Maker and taker fee together."""
    multiplier_ppm: int
    length_ms: int
    premium_ppm: int = 0
    """An exhausted window opens once more per block while skew over depth is below this; 0 is never."""

    def on_grid(self, base: int) -> "Window":
        """The window where one base atom became `base` of them."""
        return replace(self, depth_b=self.depth_b * base)


class Closing(Struct, frozen=True, array_like=True):
    """Lots of a market that liquidations closed at once, and when."""

    time_ms: int
    block: int
    size_b: int
