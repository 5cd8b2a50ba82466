"""Which domains share a pace."""

import re

import pytest
from pydantic import ValidationError

from mailer import lanes
from mailer.settings import Delivery


@pytest.mark.parametrize("lane", lanes.LANES)
def test_every_lane_may_have_a_rate(lane: str) -> None:
    assert Delivery(lanes={lane: "10/s"}).lanes == {lane: "10/s"}


def test_no_domain_is_in_two_lanes() -> None:
    domains = [domain for each in lanes.DOMAINS.values() for domain in each]
    assert len(domains) == len(set(domains)) == len(lanes.table())
    assert all(re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", domain) for domain in domains)


def test_addresses_are_in_the_lane_of_their_domain() -> None:
    known = lanes.table()
    assert lanes.lane_of("reader@gmail.com", known) == lanes.lane_of("reader@googlemail.com", known) == "gmail"
    assert lanes.lane_of("reader@hotmail.com", known) == "outlook"
    assert lanes.lane_of("reader@notgmail.com", known) == lanes.lane_of("reader@gmail.com.example", known) == "default"


def test_a_configured_domain_is_a_lane_of_its_own_even_if_a_provider_has_it() -> None:
    known = lanes.table(["paper.example", "aol.com", "gmail", "default"])
    assert lanes.lane_of("reader@paper.example", known) == "paper.example"
    assert lanes.lane_of("reader@aol.com", known) == "aol.com"
    assert lanes.lane_of("reader@yahoo.com", known) == "yahoo"
    assert lanes.lane_of("reader@gmail.com", known) == "gmail"
    assert "default" not in known.values()


@pytest.mark.parametrize("lane", ["gmial", "Example.org", "example", "مثال.ایران", "a b.example"])
def test_an_unknown_lane_is_refused(lane: str) -> None:
    with pytest.raises(ValidationError, match="is neither a lane"):
        Delivery(lanes={lane: "10/s"})
