from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.history.private import LONGEST, private, same_words

SECRETS = st.from_regex(r"[A-Za-z0-9]{12,30}", fullmatch=True).filter(lambda s: "SECRET" not in s)
PLACES = st.sampled_from(
    (
        "log in with password {}",
        "the token is {}",
        "api_key={} python run.py",
        "curl -H 'Authorization: Bearer {}' example.com",
        "git clone https://me:{}@example.com/x.git",
        "mysql --password {} shop",
        "export AWS_SECRET_ACCESS_KEY={}",
        "use ghp_{} for it",
    )
)


@given(SECRETS, PLACES)
def test_no_credential_is_kept(secret: str, place: str) -> None:
    text = place.replace("password {}", "password: {}").format(secret)
    kept, _ = private(text)
    assert secret not in kept
    assert "SECRET_1" in kept


@given(SECRETS, PLACES)
def test_nor_where_it_stands_without_its_name(secret: str, place: str) -> None:
    words, secrets = private(f"log in with password: {secret}")
    assert words == "log in with password: SECRET_1"
    kept, _ = private(f"mysql -p{secret} shop; " + place.format(secret), secrets)
    assert secret not in kept
    assert "mysql -pSECRET_1 shop" in kept


@given(st.text())
def test_nothing_can_steer_a_terminal(text: str) -> None:
    kept, _ = private(text)
    assert all(character.isprintable() or character == "\n" for character in kept)


def test_another_credential_gets_another_placeholder() -> None:
    _, secrets = private("password: first-one")
    assert private("token=second-one", secrets)[0] == "token=SECRET_2"


def test_a_short_one_is_not_taken_out_of_other_words() -> None:
    _, secrets = private("password: at")
    assert private("cat at", secrets)[0] == "cat SECRET_1"


def test_what_nobody_would_type_is_not_kept() -> None:
    assert private("x" * (LONGEST + 1)) == ("", {})


@pytest.mark.parametrize("other", ["List  files", "list files.", " list files ", "list files?"])
def test_the_same_words(other: str) -> None:
    assert same_words(other) == same_words("list files")


@pytest.mark.parametrize(
    ("words", "other"),
    [
        ("remove logs in .", "remove logs in .."),
        ("remove logs in", "remove logs in ."),
        ("delete everything below Build", "delete everything below build"),
        ("delete all files in ./", "delete all files in ."),
        ("show Notes.txt", "show notes.txt"),
        ("Notes.txt please", "notes.txt please"),
        ("list a.b", "list a.b."),
        ("undo it", "undo it!!"),
    ],
)
def test_other_words(words: str, other: str) -> None:
    assert same_words(words) != same_words(other)
