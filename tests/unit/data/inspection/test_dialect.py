"""Separator, quote, escape and header are guessed from the first lines."""

import csv
import io

import pytest

from recstack.data.inspection.dialect import guess_dialect

ROWS = [["1", "10", "5", "1600000000"], ["1", "11", "3", "1600000100"], ["2", "10", "4", "1600000200"]]
HEADER = ["user", "item", "rating", "ts"]


@pytest.mark.parametrize("header", [True, False], ids=["header", "no header"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "::", "\x01", " ", "  "])
def test_separator_and_header_are_found(separator: str, header: bool) -> None:
    rows = [HEADER, *ROWS] if header else ROWS
    found = guess_dialect("".join(f"{separator.join(row)}\n" for row in rows))
    assert (found.separator, found.header, found.columns, found.agreement) == (separator, header, 4, 1.0)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends_of_all_systems(end: str) -> None:
    found = guess_dialect(end.join(",".join(row) for row in [HEADER, *ROWS]) + end)
    assert (found.separator, found.columns, found.header) == (",", 4, True)


def test_quoted_cells_may_hold_separators_quotes_and_line_breaks() -> None:
    out = io.StringIO()
    rows = [["item", "title"], *([str(number), f'The "odd", one;\nand {number}'] for number in range(20))]
    csv.writer(out).writerows(rows)
    found = guess_dialect(out.getvalue())
    assert (found.separator, found.quote, found.escape, found.header) == (",", '"', None, True)
    assert found.rows(out.getvalue()) == rows


def test_a_backslash_before_a_quote_is_an_escape() -> None:
    text = '"item";"title"\n"1";"The \\"Odd\\" One; a tale"\n"2";"C:\\\\dir\\\\"\n"3";"Heat"\n'
    found = guess_dialect(text)
    assert (found.separator, found.quote, found.escape) == (";", '"', "\\")
    assert found.rows(text)[1] == ["1", 'The "Odd" One; a tale']


def test_quotes_in_tab_separated_text_are_plain_characters() -> None:
    found = guess_dialect('1\t"Heroes"\t1977\n2\tThe "Best" of, all\t1980\n3\tLow\t1977\n')
    assert (found.separator, found.quote) == ("\t", "")


def test_tab_separated_text_with_every_cell_quoted() -> None:
    found = guess_dialect("".join(f'"{number}"\t"title {number}"\n' for number in range(9)))
    assert (found.separator, found.quote) == ("\t", '"')


@pytest.mark.parametrize("first", ["movieId,title", "user_id:token,item_id:token", "visitorid,itemid"])
def test_known_names_make_a_header_of_words_above_words(first: str) -> None:
    assert guess_dialect(f"{first}\na,b\nc,d\n").header


def test_words_above_words_are_rows() -> None:
    assert not guess_dialect("anna,emma\nben,dune\nanna,dune\n").header
