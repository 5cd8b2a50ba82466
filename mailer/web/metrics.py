"""Serves `/metrics` on a separate port: the figures of `operations.figures` in the format of Prometheus."""

import asyncio
from collections.abc import Iterable, Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from mailer.model import IssueState
from mailer.operations.figures import Figures, Monitor


def create(monitor: Monitor) -> ASGIApp:
    """Returns the ASGI application that serves the metrics of this process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(monitor))
    ProcessCollector(registry=registry)

    async def metrics(_request: Request) -> Response:
        # In a thread, because reading the database would block the event loop, in which the sender also runs.
        text = await asyncio.to_thread(generate_latest, registry)
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})

    return Starlette(routes=[Route("/metrics", metrics)])


class _Collector(Collector):
    def __init__(self, monitor: Monitor) -> None:
        self._monitor = monitor

    def collect(self) -> Iterator[Metric]:
        yield from _process(self._monitor)
        figures = self._monitor.figures()
        yield _gauge("mailer_database_up", "1 if the database answers.", figures is not None)
        if figures is not None:
            yield from _issue(figures)
            yield from _deployment(figures, self._monitor.app.now().timestamp())


def _process(monitor: Monitor) -> Iterator[Metric]:
    circuits = monitor.circuits
    relays = sorted({relay.name for relay in monitor.app.relays})
    mails = CounterMetricFamily(
        "mailer_mails", "Mails that this process handed to a relay, by outcome.", labels=("relay", "outcome")
    )
    for relay in relays:
        for outcome, count in circuits.outcomes(relay).items():
            mails.add_metric((relay, outcome), count)
    yield mails
    for name, meaning, value in (
        ("mailer_relay_connections", "Open connections to a relay.", circuits.connections),
        ("mailer_relay_circuit_open", "1 while a relay that failed is left alone.", circuits.open),
    ):
        yield _gauges(name, meaning, ("relay",), (((relay,), value(relay)) for relay in relays))
    ticked = monitor.last_tick()
    if ticked is not None:
        yield _gauge("mailer_last_tick_timestamp_seconds", "The last successful tick of this process's clock.", ticked)


def _deployment(figures: Figures, now: float) -> Iterator[Metric]:
    age = max(now - figures.oldest.timestamp(), 0.0) if figures.oldest else 0.0
    yield _gauge("mailer_queue_mails", "Queued mails of any kind.", figures.queued)
    yield _gauge("mailer_queue_oldest_age_seconds", "How long the oldest queued mail has waited.", age)
    yield _gauge("mailer_lanes_paused", "Lanes paused because their provider refuses us.", len(figures.lanes_paused))
    paused = (((lane,), 1) for lane in figures.lanes_paused)
    yield _gauges("mailer_lane_paused", "1 for each paused lane.", ("lane",), paused)
    for name, meaning, label, counts in (
        ("mailer_source_failures", "Failures in a row of a source of articles.", "source", figures.sources),
        ("mailer_subscribers", "Subscribers by status.", "status", figures.subscribers),
        ("mailer_left_in_a_week", "Readers who left in the last seven days.", "method", figures.left_in_a_week),
    ):
        yield _gauges(name, meaning, (label,), (((key,), count) for key, count in counts.items()))


def _issue(figures: Figures) -> Iterator[Metric]:
    """Yields the metrics of the issue that is being sent, or of the newest issue if none is being sent."""
    issue = figures.issue
    if issue is None:
        return
    states = (((issue.slot, state), state is issue.state) for state in IssueState)
    yield _gauges("mailer_issue_state", "1 for the state of the issue.", ("slot", "state"), states)
    frozen = [((issue.slot,), issue.recipients)]
    yield _gauges("mailer_issue_recipients", "Readers frozen for the issue.", ("slot",), frozen)
    counts = (((issue.slot, state), count) for state, count in figures.counts.items())
    yield _gauges("mailer_issue_deliveries", "Deliveries of the issue, by state.", ("slot", "state"), counts)
    if issue.started_at:
        started = [((issue.slot,), issue.started_at.timestamp())]
        yield _gauges("mailer_issue_started_timestamp_seconds", "When its sending began.", ("slot",), started)


def _gauges(
    name: str, meaning: str, labels: tuple[str, ...], values: Iterable[tuple[tuple[str, ...], float]]
) -> Metric:
    """Returns a gauge with several values. Each value has a different combination of label values."""
    family = GaugeMetricFamily(name, meaning, labels=labels)
    for keys, value in values:
        family.add_metric(keys, value)
    return family


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return _gauges(name, meaning, (), [((), value)])
