"""Where files that can be made again are kept."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

WATCHERS: list[Callable[[str], None]] = []
"""Who is told, in a few words, what is being made that takes long and is then kept."""


def default_cache_dir() -> Path:
    """Folder named by RINGFENCE_CACHE, or else the platform's own place for caches."""
    named = os.environ.get("RINGFENCE_CACHE")
    if named:
        return Path(named)
    if sys.platform == "win32":
        return (
            Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "ringfence" / "Cache"
        )
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "ringfence"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringfence"
