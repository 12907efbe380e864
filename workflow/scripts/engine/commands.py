"""What other programs of this machine say of it."""

import subprocess


def answer(command: list[str]) -> str | None:
    """What a command of the system prints; None if it is not there, fails, or does not end, as with a dead driver."""
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None
