"""Which right is missing, and what gives it."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cmdai_shell.discovery import rights
from cmdai_shell.discovery.rights import Right

LIST = Right(verb="list", resource="services", namespace="ml")
SLICES = Right(verb="watch", resource="endpointslices", group="discovery.k8s.io", namespace="ml")
NODES = Right(verb="list", resource="nodes")

ASKED = Right(verb="list", resource="pods", namespace="asked")


@pytest.mark.parametrize(
    ("message", "right", "user"),
    [
        (
            'services is forbidden: User "viewer" cannot list resource "services" in API group ""'
            ' in the namespace "ml"',
            LIST,
            "viewer",
        ),
        (
            'endpointslices.discovery.k8s.io is forbidden: User "system:serviceaccount:ml:shell" '
            'cannot watch resource "endpointslices" in API group "discovery.k8s.io" in the '
            'namespace "ml": RBAC: role.rbac.authorization.k8s.io "reader" not found',
            SLICES,
            "system:serviceaccount:ml:shell",
        ),
        (
            'nodes is forbidden: User "me@example.com" cannot list resource "nodes" in API group '
            '"" at the cluster scope',
            NODES,
            "me@example.com",
        ),
        ("access denied by policy 7", ASKED, ""),
        ("", ASKED, ""),
    ],
)
def test_a_refusal_is_read_or_what_was_asked_counts(message: str, right: Right, user: str):
    found = rights.refused(message, ASKED)
    assert found == right
    assert found.user == user


def test_a_right_says_verb_resource_group_and_namespace():
    assert str(LIST) == "list services (API group core) in namespace ml"
    assert str(SLICES) == ('watch endpointslices (API group "discovery.k8s.io") in namespace ml')
    assert str(NODES) == "list nodes (API group core) in the whole cluster"


def test_one_role_for_each_namespace_gives_all_that_is_missing():
    assert rights.commands([LIST, SLICES, NODES], "viewer").split(" && ") == [
        "kubectl create clusterrole cmdai-shell --verb=get,list,watch --resource=nodes",
        "kubectl create clusterrolebinding cmdai-shell --clusterrole=cmdai-shell --user=viewer",
        "kubectl create role cmdai-shell --verb=get,list,watch "
        "--resource=services,endpointslices.discovery.k8s.io -n ml",
        "kubectl create rolebinding cmdai-shell --role=cmdai-shell --user=viewer -n ml",
    ]


def test_a_service_account_is_bound_as_one():
    told = rights.commands([LIST], "system:serviceaccount:ml:shell")
    assert "--serviceaccount=ml:shell" in told


@given(st.text(min_size=1))
def test_a_name_of_a_user_is_one_word_of_the_command(user: str):
    message = f'x is forbidden: User "{user}" cannot list resource "a" in API group ""'
    found = rights.refused(message, ASKED)
    if found.user:
        words = shlex.split(rights.commands([found], found.user).split(" && ")[1])
        assert words[:3] == ["kubectl", "create", "clusterrolebinding"]
        assert words[-1] == f"--user={found.user}"
        assert found.user.isprintable()


@given(st.text())
def test_any_message_is_readable(message: str):
    rights.refused(message, ASKED)


@pytest.mark.parametrize(
    ("answer", "allowed"),
    [
        ({"status": {"allowed": True}}, True),
        ({"status": {"allowed": False, "denied": True}}, False),
        ({"status": {"allowed": "yes"}}, False),
        ({}, False),
        (None, False),
    ],
)
def test_a_review_allows_only_by_saying_so(answer: object, allowed: bool):
    assert rights.is_allowed(answer) is allowed


def test_a_review_asks_for_the_right():
    attributes = rights.review(SLICES)["spec"]["resourceAttributes"]
    assert attributes == {
        "verb": "watch",
        "resource": "endpointslices",
        "group": "discovery.k8s.io",
        "namespace": "ml",
    }
    assert "namespace" not in rights.review(NODES)["spec"]["resourceAttributes"]
