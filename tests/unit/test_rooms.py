"""Who may import whom: the paper imports no machinery, and the machinery does not know the paper."""

import ast

import pytest
from conftest import ROOT

SCRIPTS = ROOT / "workflow/scripts"
ROOMS = ("diffusion", "beyond", "claims", "engine", "publishing")
MAY_IMPORT = {
    "diffusion": (
        "diffusion",
        "engine.adam",
        "engine.device",
        "engine.errors",
        "engine.randomness",
        "engine.tensors",
    ),
    "beyond": ("beyond", "diffusion", "engine.device", "engine.errors", "engine.randomness"),
    "engine": ("engine",),
    "claims": ("claims", "beyond", "diffusion", "engine"),
    "publishing": ("publishing", "claims", "beyond", "diffusion", "engine"),
}


def imported(source: str) -> set[str]:
    """The modules of the rooms that a module imports, wherever in it; of `from engine import job`, engine.job."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "rooms are named in full"
            whole = node.module in ROOMS
            names |= {f"{node.module}.{alias.name}" for alias in node.names} if whole else {node.module}
    return {name for name in names if name.split(".")[0] in ROOMS}


def strangers(room: str, source: str) -> list[str]:
    """What a module of a room imports and may not."""
    allowed = MAY_IMPORT[room]
    return [name for name in sorted(imported(source)) if not any(f"{name}.".startswith(f"{one}.") for one in allowed)]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_what_it_may(room):
    modules = sorted((SCRIPTS / room).glob("*.py"))
    assert len(modules) > (1 if room == "beyond" else 5)
    assert {module.name: found for module in modules if (found := strangers(room, module.read_text()))} == {}


@pytest.mark.parametrize(
    "room, source, found",
    [
        ("diffusion", "from engine.progress import follow", ["engine.progress"]),
        ("diffusion", "def f():\n    from engine import checkpoints, device", ["engine.checkpoints"]),
        ("diffusion", "import claims.ledger", ["claims.ledger"]),
        ("diffusion", "from beyond.forcing import step", ["beyond.forcing"]),
        ("beyond", "from diffusion.pde import Grid\nfrom claims import statistics", ["claims.statistics"]),
        ("engine", "import torch\nfrom diffusion.unet import UNet", ["diffusion.unet"]),
        ("claims", "from publishing import plots", ["publishing.plots"]),
        ("diffusion", "from diffusion.forward import factors\nfrom engine.errors import UserError", []),
    ],
)
def test_a_stranger_is_noticed(room, source, found):
    assert strangers(room, source) == found


def test_scripts_hold_no_functions_of_their_own():
    """What is worth a name is worth a test, and stands in a room. `main`-like ones of the command line may stay."""
    own = {
        script.name: names
        for script in SCRIPTS.glob("*.py")
        if (names := [n.name for n in ast.walk(ast.parse(script.read_text())) if isinstance(n, ast.FunctionDef)])
    }
    assert own == {"show_claims.py": ["show"]}
