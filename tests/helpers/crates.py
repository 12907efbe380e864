"""RO-Crates read and validated, without a network."""

import hashlib
import json
import tempfile
from importlib.resources import files
from pathlib import Path
from urllib.parse import unquote

from requests import Request
from requests_cache import CachedRequest, CachedResponse, CachedSession
from rocrate_validator import services
from rocrate_validator.models import Severity, ValidationSettings

CONTEXT = "https://w3id.org/ro/crate/1.1/context"


def problems(folder: Path, severity: str = "REQUIRED") -> list[str]:
    """What roc-validator finds wrong with a Workflow Run Crate: nothing, if the list is empty.

    It asks the network for one document alone, RO-Crate's vocabulary. The `rocrate` package brings a copy, which is
    laid into the validator's cache. It cannot read a folder with a space in its name: so it sees a link to it.
    """
    with tempfile.TemporaryDirectory() as scratch:
        cache = Path(scratch) / "http"
        answer = CachedResponse(
            status_code=200,
            url=CONTEXT,
            headers={"Content-Type": "application/ld+json"},
            content=(files("rocrate") / "data" / "ro-crate.jsonld").read_bytes(),
            request=CachedRequest.from_request(Request("GET", CONTEXT).prepare()),
        )
        with CachedSession(str(cache), backend="sqlite", expire_after=-1) as session:
            session.cache.save_response(answer)
        link = Path(scratch) / "crate"
        link.symlink_to(folder.resolve(), target_is_directory=True)
        settings = ValidationSettings(
            rocrate_uri=str(link),
            profile_identifier="workflow-run-crate",
            requirement_severity=Severity[severity],
            offline=True,
            cache_path=cache,
        )
        result = services.validate(settings)
        return sorted({f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()})


def graph(folder: Path) -> dict[str, dict]:
    """The crate's entities by identifier."""
    text = (folder / "ro-crate-metadata.json").read_text(encoding="utf-8")
    return {entity["@id"]: entity for entity in json.loads(text)["@graph"]}


def altered(folder: Path) -> list[str]:
    """The crate's files whose size or SHA-256 is not what the crate says."""
    found = []
    for name, entity in graph(folder).items():
        if "File" in entity["@type"] and "://" not in name:
            content = (folder / unquote(name)).read_bytes()
            if entity["sha256"] != hashlib.sha256(content).hexdigest() or entity["contentSize"] != str(len(content)):
                found.append(name)
    return found
