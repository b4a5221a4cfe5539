"""What applications say of their forms becomes columns, names and groups that repeat."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.data.types import Kind
from penstock.sources.commcare.design import case_types, distinct, form_designs


def app(*questions: dict[str, Any], **form: Any) -> dict[str, Any]:
    whole = {"name": {"en": "Visit"}, "xmlns": "http://x/ABC-DEF", "questions": list(questions)}
    return {"modules": [{"case_type": "child", "forms": [whole | form]}]}


def asked(path: str, kind: str, repeat: str | None = None) -> dict[str, Any]:
    return {"value": f"/data/{path}", "type": kind, "repeat": repeat and f"/data/{repeat}"}


def test_questions_have_the_kinds_of_their_types() -> None:
    kinds = {"a": "Int", "b": "Long", "c": "Double", "d": "Date", "e": "DateTime", "f": "Barcode"}
    (design,) = form_designs([app(*(asked(path, kind) for path, kind in kinds.items()))])
    assert design.questions == {
        ("a",): Kind.INTEGER,
        ("b",): Kind.BIG_INTEGER,
        ("c",): Kind.NUMBER,
        ("d",): Kind.DATE,
        ("e",): Kind.TIMESTAMP_TZ,
        ("f",): Kind.STRING,
    }


def test_labels_and_groups_are_no_columns() -> None:
    (design,) = form_designs(
        [app(asked("t", "Trigger"), asked("g", "Group"), asked("g/q", "Text"))]
    )
    assert set(design.questions) == {("g", "q")}


def test_question_that_changed_its_type_between_applications_holds_both() -> None:
    (design,) = form_designs([app(asked("q", "Int")), app(asked("q", "Text"), asked("r", "Date"))])
    assert design.questions == {("q",): Kind.STRING, ("r",): Kind.DATE}


def test_questions_belong_to_the_innermost_group_that_repeats() -> None:
    (design,) = form_designs(
        [
            app(
                asked("name", "Text"),
                asked("kids", "Repeat"),
                asked("kids/name", "Text", "kids"),
                asked("kids/home/town", "Text", "kids"),
                asked("kids/doses/vaccine", "Text", "kids/doses"),
            )
        ]
    )
    assert design.repeats == {("kids",), ("kids", "doses")}
    assert set(design.outside()) == {("name",)}
    assert set(design.inside(("kids",))) == {("kids", "name"), ("kids", "home", "town")}
    assert set(design.inside(("kids", "doses"))) == {("kids", "doses", "vaccine")}


@pytest.mark.parametrize(
    ("name", "xmlns", "slug"),
    [
        ({"en": "First visit!"}, "http://openrosa.org/x/4281EB62-46E6", "first_visit_4281eb62"),
        ({"hin": "पंजीकरण"}, "http://openrosa.org/x/4281EB62-46E6", "पंजीकरण_4281eb62"),
        ("Plain", "urn:x:abc", "plain_abc"),
        ({}, "http://x/", "form_x"),
        (None, "http://x/9", "form_9"),
    ],
)
def test_name_comes_of_the_title_and_the_namespace(name: Any, xmlns: str, slug: str) -> None:
    (design,) = form_designs([app(name=name, xmlns=xmlns)])
    assert design.slug == slug


def test_module_that_commcare_cannot_read_is_passed_over() -> None:
    broken = {"modules": [{"error": "no"}, *app(asked("q", "Text"))["modules"]]}
    assert len(form_designs([broken])) == 1
    assert case_types([broken]) == {"child": ()}


def test_form_that_was_never_saved_is_passed_over() -> None:
    assert form_designs([app(xmlns=None)]) == []


def test_case_types_have_the_properties_of_all_modules() -> None:
    modules = [
        {"case_type": "child", "case_properties": ["b", "a"]},
        {"case_type": "child", "case_properties": ["c", "a"]},
        {"case_type": "", "case_properties": ["z"]},
    ]
    assert case_types([{"modules": modules}]) == {"child": ("a", "b", "c")}


def test_equal_names_are_told_apart_by_what_they_name() -> None:
    first, second, third = distinct([("a", "1"), ("a", "2"), ("b", "3")])
    assert (first, third) == ("a", "b")
    assert second.startswith("a_")
    assert [first, second, third] == distinct([("a", "1"), ("a", "2"), ("b", "3")])
