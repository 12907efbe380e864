"""Refuse, in one sentence and before anything is installed, a Python or a machine that the pins have no packages for.

It is run by whatever Python there is, and so uses nothing that an old one lacks.
"""

import os
import platform
import sys
import sysconfig

OLDEST, TOO_NEW = (3, 11), (3, 14)
GLIBC = (2, 28)
MACOS = (14,)
MACHINES = {"Linux": ("x86_64", "aarch64"), "Darwin": ("arm64",)}


def numbers(version):
    """(2, 28) for "2.28"; () for an empty text."""
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def dotted(version):
    """ "2.28" for (2, 28)."""
    return ".".join(str(part) for part in version)


def refusal(python, cpython, system, machine, glibc, macos, parts):
    """Why the pins cannot be installed there; empty if they can. Versions are tuples, () for none."""
    if not OLDEST <= python < TOO_NEW or not cpython:
        what = "this is Python " + dotted(python) if cpython else "this is not the usual build of CPython"
        return "Python 3.11, 3.12 or 3.13 is needed, and " + what + ": name one with make PYTHON=/path/to/python3.12"
    if machine not in MACHINES.get(system, ()):
        other = ", or with a Python for arm64" if system == "Darwin" else ""
        return (
            "the packages exist for Linux on x86-64 or ARM (64 bits) and for macOS on Apple silicon, and this Python "
            "is for " + system + " on " + machine + ": work on another machine" + other
        )
    if system == "Linux" and glibc < GLIBC:
        what = "glibc " + dotted(glibc) if glibc else "another C library"
        return (
            "the packages need Linux with glibc 2.28 or later (Debian 10, Ubuntu 20.04, RHEL 8), and this one has "
            + what
            + ": work on another machine, or in a container"
        )
    if system == "Darwin" and macos < MACOS:
        return "the packages need macOS 14 or later, and this is " + dotted(macos) + ": update it"
    missing = [part for part in ("venv", "ensurepip") if part not in parts]
    if missing:
        what = "this Python lacks its module " + " and ".join(missing)
        return what + ": install it (Debian: python3-venv), or name another with make PYTHON=/path/to/python3.12"
    return ""


def here():
    """The arguments of `refusal` for this Python."""
    try:
        glibc = numbers(os.confstr("CS_GNU_LIBC_VERSION").split()[-1])
    except (AttributeError, ValueError, OSError):
        glibc = ()
    parts = []
    for part in ("venv", "ensurepip"):
        try:
            __import__(part)
            parts.append(part)
        except ImportError:
            pass
    usual = platform.python_implementation() == "CPython" and not sysconfig.get_config_var("Py_GIL_DISABLED")
    machine = platform.machine() if sys.maxsize > 2**32 else "32 bits"
    macos = numbers(platform.mac_ver()[0])
    return sys.version_info[:2], usual, platform.system(), machine, glibc, macos, parts


if __name__ == "__main__":
    sys.exit(refusal(*here()) or 0)
