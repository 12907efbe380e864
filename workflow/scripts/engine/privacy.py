"""What may be shown of an address: not the name and password in it, and not what follows its question mark."""

import logging
import re

HIDDEN = "***"


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


def without(text: str, address: str) -> str:
    """A text about an address, such as the message of a library, in which the secrets of `address` read ***."""
    login = (address.partition("://")[2] or address).rpartition("@")[0]
    query = address.partition("?")[2] if "://" in address else ""
    for secret in sorted(re.split(r"[:/@?#&=]", f"{login}?{query}"), key=len, reverse=True):
        if len(secret) > 2:
            text = text.replace(secret, HIDDEN)
    return public(text)


class Private(logging.Formatter):
    """Lines of a log with nothing private in their addresses, whoever wrote them."""

    def format(self, record: logging.LogRecord) -> str:
        return public(super().format(record))
