from __future__ import annotations

import re

import pytest

from cmdai_shell.backends.embedded.catalog import (
    GB,
    HubSource,
    IndexSource,
    catalog,
    default_for,
    default_here,
)


def test_every_model_can_be_fetched_and_recognised() -> None:
    models = catalog().models
    assert len({model.id for model in models}) == len(models)
    for model in models:
        assert re.fullmatch("[0-9a-f]{64}", model.sha256)
        assert model.sources
        assert catalog().get(model.id) is model
        assert catalog().by_digest(model.sha256) is model


def test_a_hub_is_pinned_to_a_commit() -> None:
    for model in catalog().models:
        for source in model.sources:
            if isinstance(source, HubSource):
                assert re.fullmatch("[0-9a-f]{40}", source.revision), model.id


def test_parts_add_up_to_the_model() -> None:
    for model in catalog().models:
        for source in model.sources:
            if isinstance(source, IndexSource):
                rest = model.size - (source.parts - 1) * source.part_size
                assert 0 < rest <= source.part_size, model.id


def test_what_was_learnt_lies_beside_the_catalog() -> None:
    for model in catalog().models:
        found = catalog().lora(model.sha256)
        assert (found is None) == model.only_for_tests
        assert found is None or b"adapter.lora.alpha" in found.read_bytes()[:1000]
    assert catalog().lora("0" * 64) is None


@pytest.mark.parametrize(
    ("available", "expected"),
    [
        (3 * GB, "qwen2.5-coder-1.5b"),
        (3 * GB - 1, "qwen2.5-coder-0.5b"),
        (0, "qwen2.5-coder-0.5b"),
        (64 * GB, "qwen2.5-coder-1.5b"),
    ],
)
def test_the_default_follows_free_memory(available: int, expected: str) -> None:
    model_id, why = default_for(available)
    assert model_id == expected
    assert "memory" in why


def test_the_default_of_this_machine_is_a_model_for_people() -> None:
    entry = catalog().get(default_here()[0])
    assert entry
    assert not entry.only_for_tests


def test_unknown_names_are_nothing() -> None:
    assert catalog().get("gpt-17") is None
    assert catalog().by_digest("0" * 64) is None
