"""The small parts of an adapter: thoughts, schemas, models, sums, API keys."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.backends.handshake import is_sum
from cmdai_shell.backends.models import Model, choose, listed, names, size_of
from cmdai_shell.backends.schema import keeps_to
from cmdai_shell.backends.thinking import Thinking, begins_opened
from cmdai_shell.errors import BackendDenied
from cmdai_shell.suggest.large import schema
from tests.backends.contract import api_key

# --- thoughts


def told(text: str, cuts: list[int], *, opened: bool = False) -> str:
    thinking = Thinking(opened=opened)
    places = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    pieces = [text[a:b] for a, b in itertools.pairwise(places)]
    return "".join(thinking.feed(piece) for piece in pieces) + thinking.end()


@pytest.mark.parametrize(
    ("text", "opened", "wanted"),
    [
        ("ls -la", False, "ls -la"),
        ("<think>a</think>\n\nls", False, "ls"),
        (" \n<think>a\nb</think>ls", False, "ls"),
        ("<think></think>ls", False, "ls"),
        ("<think>never ends", False, ""),
        ("grep '<think>' x", False, "grep '<think>' x"),
        ("<thin", False, "<thin"),
        ("< file sort", False, "< file sort"),
        ("a thought</think>\nls", True, "ls"),
        ("<think>a thought</think>\nls", True, "ls"),
        ("ls -la", True, "ls -la"),
        ("ls </think>", False, "ls </think>"),
    ],
)
@given(cuts=st.lists(st.integers(0)))
def test_thoughts_are_no_answer(text: str, opened: bool, wanted: str, cuts: list[int]) -> None:
    assert told(text, cuts, opened=opened) == wanted


def test_models_whose_template_opens_the_thought() -> None:
    assert begins_opened("deepseek-ai/DeepSeek-R1-Distill-Qwen-7B")
    assert begins_opened("Qwen/Qwen3-30B-A3B-Thinking-2507")
    assert begins_opened("qwq:32b")
    assert not begins_opened("Qwen/Qwen2.5-Coder-7B-Instruct")
    assert not begins_opened("mistral-r12")


# --- schemas


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('{"commands": [{"command": "ls", "explanation": "lists"}], "question": ""}', True),
        ('{"commands": [], "question": "which?"}', True),
        ('{"commands": [], "question": 1}', False),
        ('{"commands": []}', False),
        ('{"commands": [], "question": "", "more": 1}', False),
        ('{"commands": [{"command": "ls"}], "question": ""}', False),
        ('{"commands": [' + '{"command": "a", "explanation": "b"},' * 4, False),
        ("ls -la", False),
        ('"ls"', False),
        ("", False),
        ("[" * 5000, False),
    ],
)
def test_our_own_schema(text: str, wanted: bool) -> None:
    assert keeps_to(text, schema(2)) is wanted


def test_more_than_it_allows() -> None:
    two = ", ".join(['{"command": "a", "explanation": "b"}'] * 2)
    assert not keeps_to(f'{{"commands": [{two}], "question": ""}}', schema(1))
    assert keeps_to("3", '{"type": ["integer", "null"]}')
    assert not keeps_to("true", '{"type": "integer"}')
    assert keeps_to('"a"', '{"enum": ["a", "b"]}')


# --- models


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("Qwen/Qwen2.5-Coder-7B-Instruct", 7),
        ("qwen2.5-coder:1.5b", 1.5),
        ("Mixtral-8x7B-Instruct", 56),
        ("Qwen3-30B-A3B", 30),
        ("meta-llama/Llama-3.1-70B", 70),
        ("SmolLM2-135M-Instruct", None),
        ("gpt-4o", None),
        ("model-b", None),
    ],
)
def test_sizes(name: str, size: float | None) -> None:
    assert size_of(name) == size


@pytest.mark.parametrize(
    ("model", "is_large"),
    [
        (Model(id="Qwen2.5-Coder-7B"), True),
        (Model(id="deepseek-coder-6.7b"), False),
        (Model(id="default", root="/models/Llama-3.3-70B-Instruct"), True),
        (Model(id="default", billions=8.03), True),
        (Model(id="qwen-7b", billions=0.5), False),
        (Model(id="gpt-4o"), True),
        (Model(id="default"), False),
    ],
)
def test_large(model: Model, is_large: bool) -> None:
    assert model.is_large is is_large


def test_choose() -> None:
    there = tuple(
        Model(id=i) for i in ("nomic-embed-text", "qwen2.5-coder:14b", "Qwen2.5-Coder:7b")
    )
    assert choose("", there) == there[1]
    assert choose("qwen2.5-coder:7b", there) == there[2]
    assert choose("CODER:14", there) == there[1]
    assert choose("coder", there) == there[2]
    assert choose("llama", there) is None
    assert choose("", ()) is None
    assert choose("", there[:1]) == there[0]
    assert names(there, 1) == "nomic-embed-text and 2 more"


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["data", "id"]), inner),
    )
)
def test_no_list_of_models_breaks_it(document: object) -> None:
    for model in listed(document):
        assert model.id.isprintable()


# --- sums


@pytest.mark.parametrize("text", ["4", "4.", "2+2=4", "2 + 2 = **4**", "The answer is 4", "4.0\n"])
def test_right(text: str) -> None:
    assert is_sum(text, 4)


@pytest.mark.parametrize(
    "text", ["", "404", "14", "four", "4th", "2+2", "4 or 5", "-4", "v4", "3.4"]
)
def test_wrong(text: str) -> None:
    assert not is_sum(text, 4)


# --- keys


async def test_keys() -> None:
    environ = {"KEY": " sk-0123456789 \n"}
    key = api_key("KEY", environ=environ)
    assert await key.headers() == {"Authorization": "Bearer sk-0123456789"}
    assert await api_key("KEY", "api-key", environ=environ).headers() == {
        "api-key": "sk-0123456789"
    }
    environ["KEY"] = "changed-by-reload"
    assert "changed" in (await key.headers())["Authorization"]
    assert "changed" not in repr(key)


@pytest.mark.parametrize("value", ["", "  ", "a\r\nX-Evil: 1", "schl\u00fcssel"])
async def test_no_keys(value: str) -> None:
    with pytest.raises(BackendDenied) as caught:
        await api_key("KEY", environ={"KEY": value}).headers()
    assert "KEY" in caught.value.message
    assert "Evil" not in str(caught.value)
