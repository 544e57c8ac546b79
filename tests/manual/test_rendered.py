from __future__ import annotations

from cmdai_shell.manual import pages, rendered

HELP = """\
Usage:  thing run [OPTIONS] IMAGE

Run a thing

Options:
  -a, --all              Show all of them,
                         hidden ones too
      --color[=WHEN]     colour WHEN
  -q                     say nothing
      --very-long-option-name string
                         what it does
  -x,  --extra           more
Run 'thing --help' for more.
"""
CAT = "N\x08NA\x08AM\x08ME\x08E\n     thing - does it\n\nO\x08OPTIONS\n     -\x08-a\x08a    all\n"


def test_help() -> None:
    page = pages.helped(HELP, "thing")
    found = {option.names: (option.argument, option.text) for option in page.options}
    assert found == {
        ("-a", "--all"): ("", "Show all of them, hidden ones too"),
        ("--color",): ("WHEN", "colour WHEN"),
        ("-q",): ("", "say nothing"),
        ("--very-long-option-name",): ("string", "what it does"),
        ("-x", "--extra"): ("", "more"),
    }


def test_a_formatted_page() -> None:
    page = pages.page(CAT, "thing")
    assert (page.name, page.summary) == ("thing", "does it")
    assert page.options[0].names == ("-a",)


def test_styles_are_taken_out() -> None:
    assert rendered.pieces("\x1b[1m  -a\x1b[0m  all")[0].text == "-a"
