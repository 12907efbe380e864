"""What may be shown of an address: not the name and password in it, and not what follows its question mark."""

import logging
import re
from base64 import b64encode
from collections.abc import Iterable
from urllib.parse import unquote

HIDDEN = "***"
PARTS = "[:/@?#&=;]"
"""What stands between the parts of an address."""


def public(text: str) -> str:
    """A text for logs and terminals: wherever it has an address, *** stands for name and password, for what stands
    where a port should, and for what follows a question mark, a semicolon or a number sign.
    """
    text = re.sub(r"(?<=://)\S*@", f"{HIDDEN}@", text)
    text = re.sub(r"[^\s'\"(/]+:(?!//)\S*@", f"{HIDDEN}@", text)  # what was meant as a URL
    text = re.sub(r"(://[^\s:/?#@\[]+):(?!\d+(?:\D|$))[^\s/?#'\"),;\]]+", rf"\1:{HIDDEN}", text)  # without its @
    text = re.sub(r"(nonnumeric port: )'[^']*'", rf"\1'{HIDDEN}'", text)
    return re.sub(r"(://[^\s?#;'\")\]]*[?#;])[^\s'\"),;\]]+", rf"\1{HIDDEN}", text)


def public_value(text: str) -> str:
    """The same of one address, or of a text that quotes one, whose password may have spaces in it."""
    text = re.sub(r"(?<=://).*@", f"{HIDDEN}@", text, flags=re.DOTALL)
    return public(re.sub(r"(?<![^\s'\"(])[^\s'\"(/:]+:(?!//).*@", f"{HIDDEN}@", text, flags=re.DOTALL))


def public_address(address: str) -> str:
    """The same of what is nothing but an address, whose password and whose query may have any character in them."""
    scheme, is_url, rest = address.partition("://")
    if not is_url or not (mark := re.search("[?#;]", rest)):
        return public_value(address)
    if "@" in rest[mark.end() :]:  # of a password or of a query
        return f"{scheme}://{HIDDEN}"
    return public_value(f"{scheme}://{rest[: mark.end()]}{HIDDEN}")


def without(text: str, address: str, others: Iterable[str] = ()) -> str:
    """A text about an address, such as the message of a library, in which the secrets of `address`, and those in
    `others`, read ***: whole, in their parts, and as a login is sent.
    """
    login = (address.partition("://")[2] or address).rpartition("@")[0]
    query = "".join(re.findall("[?#;].*", address, re.DOTALL)) if "://" in address else ""
    plain = [as_sent for one in (login, *others) for as_sent in (one, unquote(one))]
    paths = [one.partition("://")[2].partition("/")[2] for one in plain]  # of whole addresses among the others
    parts = [part for one in (*plain, query) if "://" not in one for part in re.split(PARTS, one)]
    sent = [b64encode(one.encode()).decode() for one in plain if one]
    secrets = [*plain, *paths, *parts, *sent, query]
    for secret in sorted(secrets, key=len, reverse=True):
        if len(secret) > 2:
            text = text.replace(secret, HIDDEN)
    return public(text)


class Private(logging.Formatter):
    """Lines of a log with nothing private in their addresses, whoever wrote them."""

    def format(self, record: logging.LogRecord) -> str:
        return public(super().format(record))
