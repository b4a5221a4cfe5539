"""Each of the client's errors has a meaning, a remedy, and a place in the one table."""

from __future__ import annotations

import inspect

import pulsar
import pytest

from penstock.destinations.pulsar.failures import KNOWN, as_penstock_error

_OF_CONSUMERS = {
    "ConsumerBusy",
    "ConsumerNotInitialized",
    "ConsumerNotFound",
    "ConsumerAssignError",
    "SubscriptionNotFound",
    "CumulativeAcknowledgementNotAllowedError",
    "InvalidMessage",
}
_OF_TRANSACTIONS = {
    "TransactionCoordinatorNotFoundError",
    "InvalidTxnStatusError",
    "TransactionConflict",
    "TransactionNotFound",
}


def errors_of_the_client() -> set[str]:
    return {
        name
        for name, found in vars(pulsar.exceptions).items()
        if inspect.isclass(found)
        and issubclass(found, pulsar.PulsarException)
        and found is not pulsar.PulsarException
    }


def test_every_error_of_a_producer_is_known() -> None:
    assert errors_of_the_client() - _OF_CONSUMERS - _OF_TRANSACTIONS == set(KNOWN)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_every_error_has_a_remedy(name: str) -> None:
    error = as_penstock_error(name, "writing visits")
    assert name in error.message
    assert error.remedy


def test_results_of_messages_have_the_same_names() -> None:
    results = set(pulsar.Result.__members__) - {"Ok"}
    assert {name for name in KNOWN if name not in results} <= errors_of_the_client()
    assert {"Timeout", "MessageTooBig", "TopicTerminated", "AlreadyClosed"} <= results
