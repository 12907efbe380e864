"""Text from templates: pages, cards and captions are written in publishing/templates/, and filled in here."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape


def render(template: Path | str, **values: object) -> str:
    """The template, a file, filled with the values. In HTML a value is escaped, so that it never becomes markup.

    A template may include its neighbours, and has the filter `tojson` for data that a page's script reads. Raises
    jinja2.UndefinedError for a value that it names and does not get, and ValueError for a number that JSON cannot hold.
    """
    template = Path(template)
    environment = Environment(
        loader=FileSystemLoader(template.parent),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.policies["json.dumps_kwargs"] = {"allow_nan": False, "ensure_ascii": False, "separators": (",", ":")}
    return environment.get_template(template.name).render(values)
