"""Files from the first place that has them intact; whatever is wrong with a place, the next one is asked."""

import hashlib
import logging
import os
import re
import string
import threading
import time
from collections.abc import Iterable, Mapping
from io import BufferedIOBase
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote
from urllib.request import (
    HTTPBasicAuthHandler,
    HTTPPasswordMgrWithPriorAuth,
    HTTPRedirectHandler,
    Request,
    build_opener,
    getproxies,
    proxy_bypass,
)

from engine.errors import UserError
from engine.files import write_atomically
from engine.privacy import public_address, without

logger = logging.getLogger(__name__)

SECONDS_WITHOUT_ANSWER = 20
SLOWEST = 10_000
"""The bytes that must come in a second, on average and after SECONDS_WITHOUT_ANSWER."""
VARIABLE = re.compile(r"\$\{?(\w+)")
LARGEST = 50_000_000
"""The most bytes that a file may have, since some servers never stop sending."""


def fetch(
    sums: Mapping[str, str],
    folder: Path | str,
    mirrors: Iterable[str],
    what: str = "all files",
    algorithm: str = "md5",
) -> None:
    """Put files, named with their sums by `algorithm`, into `folder`, from the first of `mirrors` that has them intact.

    A mirror is a folder or a URL, in which $NAME stands for a variable of the environment. What one mirror lacks comes
    from the next; all is in memory until all is there. Messages call the files `what`, and show no value of a variable
    in a URL. Raises UserError, which names each mirror and what was wrong with it, and OSError if `folder` cannot be
    written to.
    """
    folder, contents, reasons = Path(folder), {}, []
    for written in mirrors:
        whole = os.path.expandvars(written)
        mirror = os.path.expandvars(whole)  # as `make` gives the name of a variable, MNIST, whose value may have others
        is_url = "://" in mirror
        name = public_address(written if is_url else mirror)
        if is_url and "://" not in written:  # a variable holds all of it: its server at least is named
            name += f", at {public_address('/'.join(mirror.split('/')[:3]))}"
        values = [os.environ.get(variable, "") for variable in VARIABLE.findall(written + whole)] if is_url else []
        values += [proxy.rpartition("@")[0].rpartition("://")[2] for proxy in getproxies().values()]  # their logins
        try:
            if (unset := VARIABLE.search(mirror)) and not Path(mirror).exists():
                shown = unset[0] in name  # else it stands in a login or a query, and may be a part of a password
                raise ValueError(
                    f"the environment has no variable {unset[1] if shown else 'by a name that stands in it'}"
                )
            for file, expected in sums.items():
                contents[file] = contents.get(file) or _intact(mirror, file, expected, algorithm)
        except Exception as error:
            reason = without(" ".join(str(error).split()) or type(error).__name__, mirror, values) + _by_way_of(mirror)
            reasons.append(f"{name}: {reason}")
            logger.warning("could not get %s from %s (%s)", what, name, reason)
            continue
        for file, content in contents.items():
            write_atomically(folder / file, content)
        logger.info("%s came from %s", what, name)
        return
    raise UserError(
        f"no mirror provided {what} intact ({'; '.join(reasons)}): connect to the internet, or name a "
        "folder that holds them in execution.mirrors"
    )


def _by_way_of(mirror: str) -> str:
    """A remark on the proxy of the environment through which a mirror is asked; empty without one."""
    scheme, is_url, address = mirror.partition("://")
    proxy = getproxies().get(scheme.lower()) if is_url else None
    if not proxy or proxy_bypass(address.partition("/")[0].rpartition("@")[2]):
        return ""
    shown = public_address(proxy) if "://" in proxy else re.sub(r"(?<!^):(?!\d+/?$).*", ":***", public_address(proxy))
    return f", through the proxy {shown} of the environment"


def _intact(mirror: str, file: str, expected: str, algorithm: str) -> bytes:
    """The content of a file at a mirror, with the sum that it must have."""
    content, encoding = _arrived(mirror, file)
    if hashlib.new(algorithm, content, usedforsecurity=False).hexdigest() != expected:
        name = {"md5": "MD5", "sha512": "SHA-512"}[algorithm]
        raise ValueError(
            f"{file} is truncated or altered: its {len(content):,} bytes have another {name} sum than {expected}"
            + (f"; the server says that it encoded them, as {encoding!r}" if encoding else "")
        )
    return content


def _arrived(mirror: str, file: str) -> tuple[bytes, str]:
    """The content of a file at a mirror, which is given up if it never answers, drips, or does not end; and how the
    server says that it encoded it for the way, empty if it does not.

    A thread of its own reads it, since not every wait has a limit: not for a server's name, nor for a dead file server.
    """
    content, encoding = bytearray(), ""
    errors: list[Exception] = []
    given_up = threading.Event()

    def read() -> None:
        nonlocal encoding
        try:
            with _opened(mirror, file) as source:
                if headers := getattr(source, "headers", None):
                    encoding = headers.get("Content-Encoding") or ""
                while not given_up.is_set() and (piece := source.read1(2**16)):
                    content.extend(piece)
                    if len(content) > LARGEST:
                        raise ValueError(f"{file} does not end after {LARGEST:,} bytes")
        except Exception as error:
            errors.append(error)

    reader, start = threading.Thread(target=read, daemon=True), time.monotonic()
    reader.start()
    while reader.is_alive():
        reader.join(0.1)
        seconds = time.monotonic() - start
        if seconds > SECONDS_WITHOUT_ANSWER and len(content) < seconds * SLOWEST:
            given_up.set()
            raise TimeoutError(f"{file} timed out: {len(content):,} bytes came in {seconds:.0f} s")
    if errors:
        raise errors[0]
    return bytes(content), encoding


class _Redirected(HTTPRedirectHandler):
    """Follows a server to another address, but to none that has a password in it or is no web address; the errors of
    such would show it.
    """

    def http_error_302(self, request: Request, response: Any, code: int, message: str, headers: Any) -> Any:
        scheme, is_url, server = (headers.get("location") or "").strip().partition("://")
        if is_url and (scheme.lower() not in ("http", "https") or "@" in server.partition("?")[0]):
            raise ValueError("it sends on to an address that is not followed, with a password or of another kind")
        return super().http_error_302(request, response, code, message, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302


def _opened(mirror: str, file: str) -> BufferedIOBase:
    """A file at a mirror, ready to be read. The name and password in a URL go to its own server only."""
    scheme, is_url, address = mirror.partition("://")
    if not is_url:
        return (Path(mirror).expanduser() / file).open("rb")
    server, _, path = address.partition("/")
    if "@" not in server and "@" in path and re.search(r"^[^\[:]+:(?!\d+$)", server):
        raise ValueError("its name or password has a `/`, where the path begins: write %2F instead, and %3F for `?`")
    path, mark, query = path.partition("?")
    login, has_login, host = server.rpartition("@")
    passwords = HTTPPasswordMgrWithPriorAuth()
    if has_login and scheme.lower() in ("http", "https"):
        server = host
        user, password = (unquote(part) for part in login.partition(":")[::2])
        passwords.add_password(None, f"{scheme}://{host}", user, password, is_authenticated=True)
    url = quote(f"{scheme}://{server}/{path.rstrip('/')}/{file}{mark}{query}", safe=string.punctuation)
    request = Request(url, headers={"User-Agent": "Mozilla/5.0"})  # some servers refuse Python's own
    return build_opener(HTTPBasicAuthHandler(passwords), _Redirected).open(request, timeout=SECONDS_WITHOUT_ANSWER)
