from __future__ import annotations

import json
from typing import Any

import pytest

from penstock.engine.runners.manifest import stream_names
from penstock.engine.runners.manifest_trial import told
from penstock.engine.runners.masking import Masker
from penstock.errors import ConnectorFailed

SPEC = {"properties": {"key": {"type": "string", "airbyte_secret": True}}}


def answer(**fields: Any) -> bytes:
    request = {
        "url": "https://api.example.org/things?key=s3cr3t-key",
        "http_method": "GET",
        "headers": {"Authorization": "Bearer s3cr3t-key", "X-Count": 3},
        "body": None,
    }
    response = {"status": 200, "body": '{"items": []}', "headers": {}}
    page = {"records": [], "request": request, "response": response, **fields}
    read = {"pages": [page], "slice_descriptor": {"day": "2024-01-01"}, "state": None}
    return json.dumps({"slices": [read], "logs": [], "test_read_limit_reached": False}).encode()


def masker() -> Masker:
    return Masker({"key": "s3cr3t-key"}, SPEC)


def test_secrets_are_masked_wherever_they_come_back() -> None:
    given = answer(records=[{"id": 1, "echo": "s3cr3t-key"}])
    found = told(given, masker())
    assert "s3cr3t-key" not in repr(found)
    (page,) = found.slices[0].pages
    assert page.request is not None
    assert page.request.url == "https://api.example.org/things?key=****"
    assert page.request.headers == {"Authorization": "Bearer ****", "X-Count": "3"}


def test_numbers_of_records_keep_every_digit() -> None:
    text = '{"id": 9007199254740993, "price": 0.10, "large": 1e400}'
    whole = answer().replace(b'"records": []', f'"records": [{text}]'.encode())
    assert told(whole, masker()).slices[0].pages[0].records == (text,)


def test_a_long_body_is_cut_and_counted() -> None:
    body = "x" * 60_000
    found = told(answer(response={"status": 200, "body": body, "headers": {}}), masker())
    response = found.slices[0].pages[0].response
    assert response is not None
    assert response.body == f"{body[:50_000]}… (60000 characters)"
    assert (found.texts_cut, found.is_cut) == (1, False)


def test_an_answer_too_large_to_be_shown_ends_early_and_says_so() -> None:
    one = json.loads(answer(records=["y" * 49_000] * 10))
    one["slices"] = one["slices"] * 40
    found = told(json.dumps(one).encode(), masker())
    assert found.is_cut
    assert 0 < sum(len(each.pages) for each in found.slices) < 40


def test_a_slice_is_told_as_json() -> None:
    assert told(answer(), masker()).slices[0].slice == '{"day": "2024-01-01"}'


def test_an_answer_that_is_none_is_not_taken_for_an_empty_one() -> None:
    with pytest.raises(ConnectorFailed, match="not understood"):
        told(b'{"slices": 3}', masker())


@pytest.mark.parametrize(
    ("streams", "names"),
    [
        ([{"name": "users"}, {"name": "orders"}], ("users", "orders")),
        (["#/definitions/users"], ("users",)),
        ([{"$ref": "#/definitions/users"}], ("users",)),
        ([{"$parameters": {"name": "visits"}}], ("visits",)),
        ([{"type": "ConditionalStreams", "streams": [{"name": "beta"}]}], ("beta",)),
        ([], ()),
    ],
    ids=["names", "text reference", "reference", "parameters", "conditional", "none"],
)
def test_streams_are_named_however_they_are_written(
    streams: list[Any], names: tuple[str, ...]
) -> None:
    document = {"streams": streams, "definitions": {"users": {"name": "users"}}}
    assert stream_names(document) == names
