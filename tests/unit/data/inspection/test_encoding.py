"""The encoding of a text is guessed from its letters."""

import codecs

import pytest

from recstack.data.inspection.encoding import decode, guess_encoding

TEXTS = {
    "iso-8859-1": "Amélie,Léon,Señor,Große, naïve",
    "cp1252": "Ocean’s “11” — Amélie €5",
    "cp1250": "Żółw, łódź, książę, Źrebię, příliš žluťoučký",
    "cp1251": "Война и мир; Брат; Ирония судьбы",
    "koi8-r": "Война и мир; Брат; Ирония судьбы",
    "shift_jis": "千と千尋の神隠し,もののけ姫",
    "euc-jp": "千と千尋の神隠し,もののけ姫",
    "euc-kr": "기생충, 올드보이 괴물",
    "gb18030": "卧虎藏龙,霸王别姬,英雄",
    "big5": "臥虎藏龍,霸王別姬,英雄",
}


@pytest.mark.parametrize("name", TEXTS)
def test_letters_tell_the_encoding(name: str) -> None:
    data = f"id;title\n1;plain\n2;{TEXTS[name]}\n".encode(name)
    guess = guess_encoding(data)
    assert guess.name == name
    assert not guess.sure and guess.other is not None
    assert TEXTS[name] in decode(data, guess.name)
    assert guess.example and guess.example in TEXTS[name]


@pytest.mark.parametrize("text", ["it’s", "naïve", "Léon", "Ünal"])
def test_one_western_word_is_not_taken_for_chinese(text: str) -> None:
    assert guess_encoding(f"item,title\n1,{text}\n".encode("cp1252")).name in ("iso-8859-1", "cp1252")


@pytest.mark.parametrize("name", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_decides(name: str) -> None:
    data = "user,item\n1,2\n".encode(name)
    guess = guess_encoding(data)
    assert codecs.lookup(guess.name) in (codecs.lookup(name), codecs.lookup("utf-8")) and guess.sure
    assert decode(data, guess.name) == "user,item\n1,2\n"


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
def test_zero_bytes_tell_utf_16_without_a_mark(name: str) -> None:
    assert guess_encoding("user,item\n1,2\n".encode(name)).name == name


def test_a_part_may_end_inside_a_character() -> None:
    data = "Amélie".encode()[:3]
    assert guess_encoding(data).name == "utf-8"
    assert decode(data, "utf-8") == "Am"


def test_ascii_is_utf_8_but_not_surely_so() -> None:
    assert guess_encoding(b"1,2,3") == ("utf-8", "only ASCII was seen", False, None, "")
