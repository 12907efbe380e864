"""The notebooks with their outputs, as .ipynb beside their sources: all of them, or those named.

The sources are Python files with a mark `# %%` at the beginning of each cell (jupytext's percent
format), so that a change can be read. What is written depends on them and on the machine alone: no
times, no random names of cells. `make notebooks` runs this.
"""

import argparse
import base64
import io
import os
import signal
import sys
import threading
import time
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

FOLDER = Path(__file__).resolve().parent
SOURCES = sorted(FOLDER.glob("[0-9]_*.py"))
SECONDS = 1200
"""The longest that a cell may take."""
SLIDER = "application/vnd.jupyter.widget-view+json"


def read(source: Path) -> NotebookNode:
    """The notebook of a source, without outputs."""
    notebook = jupytext.read(source)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    kept = {"kernelspec": notebook.metadata.kernelspec, "language_info": {"name": "python"}}
    notebook.metadata = nbformat.from_dict(kept)
    return notebook


def execute(notebook: NotebookNode, folder: Path = FOLDER) -> NotebookNode:
    """The notebook, executed in a new kernel of this Python, in a folder.

    Raises nbclient's CellExecutionError, which tells the cell.
    """
    # Not a kernel of the same name in the user's home; and without its warning that it talks to
    # us unencrypted.
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"
    client = NotebookClient(
        notebook, timeout=SECONDS, resources={"metadata": {"path": str(folder)}}
    )
    client.extra_arguments = ["--log-level=ERROR"]
    client.record_timing = False
    # Else it depends on times where what is printed is cut in pieces.
    client.coalesce_streams = True
    client.execute()
    notebook.metadata.pop("widgets", None)
    notebook.metadata.language_info = nbformat.from_dict({"name": "python"})
    return notebook


def small(notebook: NotebookNode) -> NotebookNode:
    """The same for a file: pictures in 64 colours, which take a third of the bytes, and a sentence
    in place of a slider, which needs its kernel.
    """
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    for data in [output.data for output in outputs if "data" in output]:
        if picture := data.get("image/png"):
            data["image/png"] = in_64_colours(picture)
        if data.pop(SLIDER, None):
            data["text/plain"] = "Run this cell to have a slider."
    return notebook


def in_64_colours(picture: str) -> str:
    """A PNG in base64 with a palette."""
    content = io.BytesIO()
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGB")
    image.quantize(64).save(content, "PNG", optimize=True)
    return base64.b64encode(content.getvalue()).decode()


def a_source(text: str) -> Path:
    """A type of argparse's: one of SOURCES."""
    if (source := Path(text).resolve()) not in SOURCES:
        known = ", ".join(f"notebooks/{source.name}" for source in SOURCES)
        raise argparse.ArgumentTypeError(f"{text} is none of the sources, {known}")
    return source


def stop_at_ctrl_c() -> None:
    """End this program at once, whatever is told to the event loop; its kernel then ends by itself."""

    def wait() -> None:
        signal.sigwait([signal.SIGINT])
        os._exit(130)

    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sources", type=a_source, nargs="*", default=SOURCES)
    sources = parser.parse_args().sources
    stop_at_ctrl_c()
    for source in sources:
        started, made = time.monotonic(), source.with_suffix(".ipynb")
        partial = made.with_suffix(".partial")  # of a run that is stopped, the old one stays
        notebook = small(execute(read(source)))
        try:
            nbformat.write(notebook, partial)
            partial.replace(made)
        except OSError as error:
            partial.unlink(missing_ok=True)
            sys.exit(f"error: {made} was not written: {error.strerror}")
        print(f"{made.name}: {time.monotonic() - started:.0f} s", file=sys.stderr)
