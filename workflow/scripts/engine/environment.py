"""What a job sees of the user's environment and of the machine's processors: no more than it should.

Only Python's own library is imported here, since these settings must stand before any other package is loaded.
"""

import getpass
import math
import os
import pwd
import re
import shlex
import shutil
import sys
import tempfile
from collections.abc import Mapping, MutableMapping
from importlib.util import find_spec
from pathlib import Path

INDEX = (
    "CACHE_DIR", "CERT", "CLIENT_CERT", "DEFAULT_TIMEOUT", "EXTRA_INDEX_URL", "FIND_LINKS", "INDEX_URL",
    "KEYRING_PROVIDER", "NO_CACHE_DIR", "NO_INDEX", "PROXY", "RETRIES", "TIMEOUT", "TRUSTED_HOST", "USE_FEATURE",
)  # fmt: skip
"""pip's settings that say where packages come from; all others could say where they go, or which they are."""
ALLOCATIONS = ("SLURM_CPUS_PER_TASK", "SLURM_CPUS_ON_NODE", "NSLOTS", "LSB_DJOB_NUMPROC", "PBS_NP")
"""Where Slurm, SGE, LSF and Torque tell a job its number of cores; PBS has the name NCPUS, which others use too."""


OTHERS = (
    "OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY", "KMP_AFFINITY", "BASH_ENV", "ENV", "SOURCE_DATE_EPOCH",
    "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "GROUP_RANK", "GROUP_WORLD_SIZE", "MASTER_ADDR",
    "MASTER_PORT", "SHELLOPTS", "BASHOPTS", "SSLKEYLOGFILE",
)  # fmt: skip
"""What is meant for other programs: it binds their threads to cores, so that a job would find one core of many; a shell
runs it before each of a job's commands, or runs nothing; it is the date of what they write, or which of several
processes that train together they are; or a library stops at a value that it does not know.
"""
PREFIXES = (
    "AOTINDUCTOR_", "AOT_", "COMPILE_", "JOBLIB_", "LOKY_", "NPY_", "NUMPY_", "PANDAS_", "PYTORCH_", "ROLE_",
    "SKLEARN_", "SYMPY_", "TORCH", "TQDM_",
)  # fmt: skip
"""What the names of others begin with: settings of libraries, which stop at a value that they do not know."""
KEPT = ("TORCHINDUCTOR_CACHE_DIR", "TORCH_NCCL_", "PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
"""What such names begin with that stay: where compiled code is kept, how several GPUs reach one another, and how a GPU
gives memory.
"""


INSIDE = ("locks", "incomplete", "metadata", "log", "started")
"""The folders of Snakemake's own that each run writes into."""
LAUNCHED = "DIFFUSION_LAUNCHED"
"""Set for processes that a shielded program starts through torchrun: their ranks are meant for them."""


class ForShell(str):
    """A text that is quoted for a shell wherever it is formatted into another text, and itself everywhere else."""

    __slots__ = ()

    def __format__(self, specification: str) -> str:
        return format(shlex.quote(str(self)), specification)


def shield(environment: MutableMapping[str, str]) -> None:
    """Change the environment so that what this process starts from now on does not depend on the user's settings.

    Python imports nothing from the user's folders and keeps its defaults; matplotlib reads no file of the user's and
    opens no window; pip, which conda calls, installs where it should; threads are bound to no core, and no shell runs a
    file of the user's before its command. Of a process with LAUNCHED nothing is changed.
    """
    if LAUNCHED in environment:
        return
    for name in [
        name for name in environment if name in OTHERS or (name.startswith(PREFIXES) and not name.startswith(KEPT))
    ]:
        del environment[name]
    kept = ("PYTHONHOME", "PYTHONNOUSERSITE")  # where Python itself is, if not beside its program; and a shield as this
    for name in [name for name in environment if name.startswith("PYTHON") and name not in kept]:
        del environment[name]
    for name in [name for name in environment if name.startswith("PIP_") and name.removeprefix("PIP_") not in INDEX]:
        del environment[name]
    if not shutil.which("nvidia-smi"):  # without a GPU they are of no use, and PyTorch aborts at what it cannot read
        for name in ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"):
            environment.pop(name, None)
    environment["PIP_USER"] = "0"
    environment["MPLBACKEND"] = "agg"
    environment["MATPLOTLIBRC"] = os.devnull


def wait_asleep(environment: MutableMapping[str, str]) -> None:
    """Let threads of OpenMP that wait for one another sleep, unless the user says otherwise: on a busy machine they
    would take the time of those that work. OpenMP reads this when it is loaded.
    """
    environment.setdefault("OMP_WAIT_POLICY", "passive")  # a Turkish locale has another capital I


def provide(environment: MutableMapping[str, str], folder: Path) -> None:
    """Give what Snakemake and its jobs cannot do without where there is none: a path to programs, a user's name, a
    home, caches that can be written to.

    What is missing, as in a container that runs under a number, is then in `folder`; it is not created here. There too
    is what matplotlib keeps, always: it reads all styles in the user's own folder, and stops at a damaged one.
    """
    environment["PATH"] = environment.get("PATH") or os.defpath
    if (cache := environment.get("TORCHINDUCTOR_CACHE_DIR")) and not _writable(Path(cache)):
        del environment["TORCHINDUCTOR_CACHE_DIR"]
    try:
        getpass.getuser()
    except (KeyError, OSError):
        environment["LOGNAME"] = f"user-{os.getuid()}"
    home = environment.get("HOME") or ""
    if not home:
        try:
            home = pwd.getpwuid(os.getuid()).pw_dir
        except KeyError:
            home = environment["HOME"] = str(folder)
    if not _writable(Path(environment.get("XDG_CACHE_HOME") or Path(home) / ".cache") / "snakemake"):
        environment["XDG_CACHE_HOME"] = str(folder / "cache")
    environment["MPLCONFIGDIR"] = str(folder / "matplotlib")


def _writable(folder: Path) -> bool:
    """Whether a file can be written into a folder, which is made if it is not there. On a full disk it cannot, whatever
    the permissions are.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            return file.write(bytes(4096)) == 4096
    except OSError:
        return False


def is_utf8(name: str) -> bool:
    """Whether the name of a file or folder can be written into another file."""
    return not any("\ud800" <= sign <= "\udfff" for sign in name)


def refusal(environment: Mapping[str, str], folder: Path) -> str:
    """One sentence if Snakemake, run in this process, cannot work in its `folder`; else empty."""
    if (others := environment.get("PYTHONPATH")) and not sys.flags.ignore_environment:
        return (
            f"PYTHONPATH is set ({others}), so that packages from there would take the place of those that this "
            "workflow is made for: start again with `env -u PYTHONPATH snakemake ...`, or use `make`, which ignores it"
        )
    if not is_utf8(str(folder)):
        return f"the folder {str(folder)!a} has a name that is not UTF-8, which Snakemake cannot write: rename it"
    if {"{", "}"} & set(str(folder)):
        return f"the folder {folder} has a brace in its name, which Snakemake takes for its own sign: rename or move it"
    if find_spec("snakemake_executor_plugin_slurm") and not shutil.which("which", path=environment.get("PATH")):
        return "there is no program `which`, by which Snakemake's plugin for Slurm looks for others: install it"
    own = Path.cwd() / ".snakemake"
    for place in (own, *(own / name for name in INSIDE)):
        if os.path.lexists(place) and not place.is_dir():
            return f"{place} is a file, or a link to nothing, where Snakemake's own folder must be: remove it"
    if Path.cwd() != folder and not Path.cwd().samefile(folder):
        return (
            f"this workflow runs in its own folder, {folder.resolve()}, not in {Path.cwd()}: start Snakemake there, "
            "without --directory, and not as a module; for results elsewhere make the folder results there a link"
        )
    return ""


def unwritable(folder: Path) -> str:
    """One sentence if Snakemake's own `folder`, or one inside it, belongs to another user; else empty."""
    for place in (folder, *(folder / name for name in INSIDE)):
        if place.is_dir() and not os.access(place, os.W_OK):
            return (
                f"{place} cannot be written to, as where another user has run this: make it writable, remove {folder}, "
                "or work in a copy elsewhere"
            )
    return ""


def cores(environment: Mapping[str, str] = os.environ, groups: Path = Path("/proc/self/cgroup")) -> int:
    """How many cores this process may use: those that it is bound to, a container's quota, a scheduler's allocation.

    The user's OMP_NUM_THREADS is about the threads of one program, and not asked.
    """
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    names = (*ALLOCATIONS, "NCPUS") if "PBS_JOBID" in environment else ALLOCATIONS
    allotted = [int(value) for name in names if re.fullmatch("0*[1-9][0-9]{0,6}", value := environment.get(name, ""))]
    return max(1, min([bound, *allotted, *map(math.floor, quotas(groups))]))


def quotas(groups: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> list[float]:
    """The cores that the control groups of this process, and those above them, grant (versions 1 and 2)."""
    found = []
    lines = groups.read_text(encoding="utf-8").splitlines() if groups.is_file() else []
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") >= 2):
        if controllers and "cpu" not in controllers.split(","):
            continue
        inside = Path(path.lstrip("/"))
        for group in [inside, *inside.parents]:  # the last is the root: all that a container sees of its own group
            for mount in (root, root / "unified") if not controllers else (root / controllers, root / "cpu"):
                found += _quota(mount / group)
    return found


def _quota(group: Path) -> list[float]:
    """What one control group grants; empty where it sets no limit."""
    try:
        if (limit := group / "cpu.max").is_file():
            quota, period = limit.read_text(encoding="utf-8").split()[:2]
        else:
            quota, period = ((group / f"cpu.cfs_{name}_us").read_text(encoding="utf-8") for name in ("quota", "period"))
        return [float(quota) / float(period)] if quota != "max" and float(quota) > 0 else []
    except (OSError, ValueError):
        return []
