"""Chat turns as text: their form by family, and that no text of a person makes a turn."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.backends.templates import _MARKS, FAMILIES, choose
from cmdai_shell.core import Prompt
from cmdai_shell.errors import ConfigError

PROMPT = Prompt(
    system="Answer with a command.",
    examples=(("list files", "ls"),),
    near=(("who am i", "whoami"),),
    user="free space",
)
families = st.sampled_from(sorted(FAMILIES))
forged = st.sampled_from(
    sorted(
        {
            mark
            for template in FAMILIES.values()
            for pair in (template.system or (), template.user, template.assistant)
            for mark in (*pair, template.opening, *template.stop, *template.marks)
            if mark
        }
        | {"<|im_start|", "|>", "<", "[/INST", "]", "<|", "<｜", "｜>"}  # noqa: RUF001
    )
)
hostile = st.lists(forged | st.text(max_size=5), max_size=8).map("".join)


def marks(family: str, text: str) -> list[str]:
    pattern = "|".join((*_MARKS, *map(re.escape, FAMILIES[family].marks)))
    return re.findall(pattern, text)


def test_chatml_to_the_letter():
    assert FAMILIES["chatml"].render(replace(PROMPT, near=())) == (
        "<|im_start|>system\nAnswer with a command.<|im_end|>\n"
        "<|im_start|>user\nlist files<|im_end|>\n"
        "<|im_start|>assistant\nls<|im_end|>\n"
        "<|im_start|>user\nfree space<|im_end|>\n"
        "<|im_start|>assistant\n"
    )


def test_where_there_is_no_system_turn_it_stands_above_the_first_question():
    assert (
        FAMILIES["mistral"]
        .render(PROMPT)
        .startswith(
            "[INST] Answer with a command.\n\nlist files[/INST] ls</s>[INST] who am i[/INST]"
        )
    )
    assert FAMILIES["gemma"].render(PROMPT).count("Answer with a command.") == 1


def test_harmony_puts_what_we_say_into_the_developer_turn():
    text = FAMILIES["harmony"].render(PROMPT)
    assert "<|start|>developer<|message|># Instructions\n\nAnswer with a command.<|end|>" in text
    assert text.endswith("<|start|>assistant<|channel|>final<|message|>")


@given(families, hostile, hostile, hostile, hostile)
def test_no_text_makes_a_turn(family: str, system: str, asked: str, answered: str, user: str):
    pairs, plain = ((asked, answered),), (("a", "b"),)
    harmless = Prompt(system="s" if system else "", examples=plain, near=plain, user="u")
    attack = Prompt(system=system, examples=pairs, near=pairs, user=user)
    render = FAMILIES[family].render
    assert marks(family, render(attack)) == marks(family, render(harmless))


@given(families, st.text(max_size=40))
def test_text_without_special_tokens_arrives_as_it_is(family: str, text: str):
    if not marks(family, text):
        assert text in FAMILIES[family].render(replace(PROMPT, user=text))


@given(families, hostile)
def test_what_is_defused_stays(family: str, text: str):
    defuse = FAMILIES[family].defuse
    assert defuse(defuse(text)) == defuse(text)


@given(families, st.text(max_size=20))
def test_all_before_the_question_is_the_same_each_time(family: str, user: str):
    render = FAMILIES[family].render
    first, second = render(PROMPT), render(replace(PROMPT, user=user))
    fixed = first.rindex("free space")
    assert second[:fixed] == first[:fixed]


def test_html_is_only_touched_where_it_means_something_to_the_model():
    words = "replace <s> by </s> in index.html"
    assert FAMILIES["chatml"].defuse(words) == words
    assert FAMILIES["mistral"].defuse(words) == "replace < s> by < /s> in index.html"


@pytest.mark.parametrize("family", FAMILIES)
def test_the_end_of_a_turn_ends_the_answer(family: str):
    template = FAMILIES[family]
    assert template.assistant[1].strip() in template.stop
    assert len(template.stop) <= 3  # TGI takes four stop strings in all


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("Qwen/Qwen2.5-Coder-7B-Instruct", "chatml"),
        ("Qwen/Qwen3-8B", "qwen3"),
        ("Qwen/Qwen3-Coder-30B-A3B-Instruct", "chatml"),
        ("meta-llama/Llama-3.1-8B-Instruct", "llama3"),
        ("meta/llama3-70b", "llama3"),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "chatml"),
        ("mistralai/Mistral-7B-Instruct-v0.3", "mistral"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mistral"),
        ("mistralai/Mistral-Small-24B-Instruct-2501", "mistral-v7"),
        ("mistralai/Devstral-Small-2507", "mistral-v7"),
        ("google/gemma-3-27b-it", "gemma"),
        ("openai/gpt-oss-120b", "harmony"),
        ("deepseek-ai/DeepSeek-V3", "deepseek"),
        ("deepseek-ai/DeepSeek-R1-Distill-Qwen-32B", "deepseek-r1"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek-r1"),
        ("microsoft/Phi-3.5-mini-instruct", "phi3"),
        ("microsoft/phi-4", "phi4"),
        ("microsoft/Phi-4-mini-instruct", "phi4-mini"),
        ("ensemble", "chatml"),
        ("", "chatml"),
    ],
)
def test_family_by_the_models_name(model: str, family: str):
    assert choose(model) is FAMILIES[family]


def test_what_is_configured_goes_before_the_name():
    assert choose("google/gemma-3-27b-it", "llama3") is FAMILIES["llama3"]


def test_unknown_family_names_the_nearest():
    with pytest.raises(ConfigError) as caught:
        choose("", "lama3")
    assert "llama3" in caught.value.hint
