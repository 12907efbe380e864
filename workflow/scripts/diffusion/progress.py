"""The one progress bar: rate and time left, on a terminal only; the log gets lines instead."""

from tqdm import tqdm


def progress_bar(total: int, unit: str, initial: int = 0, hidden: bool = False) -> tqdm:
    """A bar that counts `unit`s up to `total`, to be used as a context."""
    quiet = True if hidden else None  # None: quiet unless on a terminal
    return tqdm(total=total, initial=initial, unit=unit, unit_scale=True, dynamic_ncols=True, disable=quiet)
