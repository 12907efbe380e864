"""Templates: in HTML no value becomes markup, elsewhere text stays as it is, and nothing is silently left out."""

import pytest
from jinja2 import UndefinedError

from publishing.rendering import render


@pytest.fixture
def template(tmp_path):
    def write(name: str, text: str):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return tmp_path / name

    return write


def test_in_html_a_value_is_text_and_never_markup(template):
    page = template("page.html", '<p title="{{ value }}">{{ value }}</p>\n')
    escaped = "&lt;b&gt; &amp; &#34;c&#34;"
    assert render(page, value='<b> & "c"') == f'<p title="{escaped}">{escaped}</p>\n'


@pytest.mark.parametrize("name", ["card.md", "numbers.rst"])
def test_elsewhere_a_value_stays_as_it_is(template, name):
    assert render(template(name, "{{ value }}\n"), value="a < b & c") == "a < b & c\n"


def test_a_value_that_is_not_given_is_an_error(template):
    with pytest.raises(UndefinedError, match="nothing"):
        render(template("page.html", "{{ nothing }}"))
    with pytest.raises(UndefinedError, match="has no attribute 'nothing'"):
        render(template("page.html", "{{ run.nothing }}"), run={})


def test_a_part_is_included_as_it_stands_and_blocks_leave_no_lines(template):
    template("part.css", "a > b { content: '&'; }\n")
    page = template("page.html", '<style>\n{% include "part.css" %}\n</style>\n{% if no %}\nno\n{% endif %}\n')
    assert render(page, no=False) == "<style>\na > b { content: '&'; }\n</style>\n"


def test_data_cannot_end_the_element_that_holds_them(template):
    page = template("page.html", "<script>{{ data | tojson }}</script>")
    assert render(page, data={"x": "</script> é"}) == '<script>{"x":"\\u003c/script\\u003e é"}</script>'
    with pytest.raises(ValueError, match="JSON"):
        render(page, data=float("inf"))
