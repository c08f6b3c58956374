"""Bytes to text: the right letters whatever the encoding, said when it is not UTF-8, and no text out of binary."""

from __future__ import annotations

import io
import pickle
import time
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tunesmith.core.errors import DataError
from tunesmith.data.read.decode import decoded

TEXTS = {
    "german": "Die Straße ist gesperrt; bitte über die Brücke gehen. Größe 5 m, für Fußgänger frei.",
    "french": "Où est ma carte ? Elle est arrivée à l'adresse indiquée, ça fait déjà très longtemps.",
    "spanish": "¿Dónde está mi tarjeta? El niño recibió su número el año pasado, señor.",
    "english": "I had a coffee at the café and paid by card. Why was it declined?",
    "polish": "Gdzie jest moja karta? Nie mogę się zalogować, proszę o pomoc. Zażółć gęślą jaźń.",
    "czech": "Kde je moje karta? Přihlášení nefunguje, prosím o pomoc. Žluťoučký kůň úpěl.",
    "hungarian": "Hol van a kártyám? Nem tudok bejelentkezni, kérem segítsenek. Őrült tűzőgép, hűvös üröm.",
    "turkish": "Kartım nerede? Giriş yapamıyorum, lütfen yardım edin. Şifremi değiştirdim, çağrı merkezi açılmıyor.",
    "portuguese": "Onde está o meu cartão? Não consigo entrar na conta, é a terceira vez que isto não funciona.",
    "swedish": "Var är mitt kort? Jag kan inte logga in på sidan, snälla hjälp mig så fort det går.",
    "greek": "Πού είναι η κάρτα μου; Δεν μπορώ να συνδεθώ, παρακαλώ βοηθήστε με.",
    "russian": "Где моя карта? Я не могу войти в личный кабинет, помогите пожалуйста.",
    "japanese": "私のカードはどこですか。ログインできません。助けてください。",
    "chinese": "我的卡在哪里？我无法登录，请帮帮我。",
    "symbols": "The bank’s “new” card — it costs £5, doesn’t it…",
}
ENCODINGS = {
    "german": ["cp1252", "latin-1", "cp850"],
    "french": ["cp1252", "latin-1", "mac_roman"],
    "spanish": ["cp1252", "latin-1"],
    "english": ["cp1252", "latin-1"],
    "polish": ["cp1250", "iso8859-2"],
    "czech": ["cp1250", "iso8859-2"],
    "hungarian": ["cp1250", "iso8859-2"],
    "turkish": ["cp1254"],
    "portuguese": ["cp1252", "latin-1"],
    "swedish": ["cp1252", "latin-1", "cp850"],
    "greek": ["cp1253"],
    "russian": ["cp1251", "koi8-r"],
    "japanese": ["shift_jis", "euc_jp"],
    "chinese": ["gb18030"],
    "symbols": ["cp1252"],
}


@pytest.mark.parametrize("old", [1, 30])
@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_lines_of_an_old_encoding_do_not_spoil_those_of_utf8(encoding, old, capsys):
    """Bug: one line that was pasted from an old export turns 'schön' into 'sch├Ân' in all of the file."""
    new = "text,label\r\n" + f"{TEXTS['french']},a\r\nplain words,b\r\n" * 20
    other = f"{TEXTS['german']},a\r\n" * old
    assert decoded(new.encode() + other.encode(encoding) + new.encode(), "x.csv") == new + other + new
    more = " and 29 more" if old == 30 else ""
    assert f"x.csv: UTF-8, but for line 42{more}, read as cp1252." in capsys.readouterr().err


@pytest.mark.parametrize(("name", "encoding"), [(name, one) for name, all_ in ENCODINGS.items() for one in all_])
def test_old_encodings_are_found_and_said(name, encoding, capsys):
    """Bug: 'Où' is learnt as 'Oł': the file is read in a look-alike encoding, or without a word."""
    text = "text,label\n" + f'"{TEXTS[name]}",a\nhello my card is lost,b\n' * 30
    assert decoded(text.encode(encoding), "x.csv") == text
    assert "x.csv: not UTF-8 (line 2); read as " in capsys.readouterr().err


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["german", "english", "symbols"])
def test_unicode_in_all_its_forms(name, encoding):
    """Bug: Excel's 'Unicode text' is refused as binary, or begins with a mark."""
    text = "text,label\n" + f"{TEXTS[name]},a\n" * 5
    assert decoded(text.encode(encoding), "x.csv") == text


def test_utf8_and_marks_are_not_worth_a_word(capsys):
    """Bug: a warning nobody needs hides those that matter."""
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        decoded("text\ngrün\n".encode(encoding), "x.csv")
    assert capsys.readouterr().err == ""


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\ufeff")))
def test_utf8_always_comes_back_letter_by_letter(text):
    """Bug: a heuristic for broken files spoils good ones."""
    assert decoded(("x" + text).encode(), "x") == "x" + text


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_text_or_refused(data):
    """Bug: odd bytes crash the detector, or NUL reaches the tokenizer."""
    try:
        assert "\0" not in decoded(data, "x.csv")
    except DataError as error:
        assert error.message.startswith("x.csv")


def zipped() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("sheet.xml", "<x/>")
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (zipped(), "x.csv: this is a zip archive or an Excel workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest", "x.csv: this is an old Office document"),
        (b"%PDF-1.7\n%\xe2\xe3", "x.csv: this is a PDF"),
        (b"\x89PNG\r\n\x1a\n", "x.csv: this is an image"),
        (b"SQLite format 3\0", "x.csv: this is a SQLite database"),
        (pickle.dumps([{"a": 1}], protocol=4), "x.csv: this is a Python pickle"),
        (pickle.dumps([{"a": 1}], protocol=5), "x.csv: this is a Python pickle"),
        (b"text,label\nfine,a\nbad\0,b\n", "x.csv:3: a NUL byte"),
        (b"\xef\xbb\xbftext\n\0\n", "x.csv:2: a NUL byte"),
        (bytes(range(256)) * 20, "x.csv:2: byte 128 is not UTF-8, and no other encoding fits"),
        (b"\xff\xfeA\0B", "x.csv: begins as utf-16 but byte 4 is not"),
        (b"\xef\xbb\xbftext\xff\n", "x.csv: begins as utf-8-sig but byte"),
    ],
)
def test_what_is_no_text_is_refused_with_its_kind_and_place(data, message):
    """Bug: rows of rubbish, or a UnicodeDecodeError."""
    with pytest.raises(DataError) as error:
        decoded(data, "x.csv")
    assert error.value.message.startswith(message)
    assert error.value.expected and error.value.hint


def test_large_old_files_do_not_take_long():
    """Bug: every candidate encoding walks the whole file in Python: minutes for 100 MB."""
    data = f"{TEXTS['french']}\n".encode("cp1252") * 100_000
    start = time.monotonic()
    assert decoded(data, "x.csv").startswith("Où")
    assert time.monotonic() - start < 10
