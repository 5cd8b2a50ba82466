"""`/metrics`: the figures of `app.metrics` in the words of Prometheus, on a port of their own. No page for readers."""

import asyncio
from collections.abc import Iterator

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from mailer.model import IssueState
from mailer.operations.metrics import Figures, Vitals


def create(vitals: Vitals) -> ASGIApp:
    """The ASGI application of one process."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(vitals))
    ProcessCollector(registry=registry)

    async def metrics(_request: Request) -> Response:
        # In a thread: the database is asked, and the sender shares this loop.
        text = await asyncio.to_thread(generate_latest, registry)
        return Response(text, headers={"content-type": CONTENT_TYPE_LATEST})

    return Starlette(routes=[Route("/metrics", metrics)])


class _Collector(Collector):
    def __init__(self, vitals: Vitals) -> None:
        self._vitals = vitals

    def collect(self) -> Iterator[Metric]:
        yield from self._process()
        figures = self._vitals.figures()
        yield _one("mailer_database_up", "1 when the database answers.", float(figures is not None))
        if figures is not None:
            yield from _issue(figures)
            yield from self._deployment(figures)

    def _process(self) -> Iterator[Metric]:
        circuits = self._vitals.circuits
        mails = CounterMetricFamily(
            "mailer_mails", "Mails this process handed to a relay, by what became of them.", labels=("relay", "outcome")
        )
        lines = GaugeMetricFamily("mailer_relay_connections", "Open connections to a relay.", labels=("relay",))
        opened = GaugeMetricFamily(
            "mailer_relay_circuit_open", "1 while a relay that failed is left alone.", labels=("relay",)
        )
        for relay in sorted({relay.name for relay in self._vitals.app.relays}):
            for outcome, count in circuits.outcomes(relay).items():
                mails.add_metric((relay, outcome), count)
            lines.add_metric((relay,), circuits.connections(relay))
            opened.add_metric((relay,), circuits.open(relay))
        yield from (mails, lines, opened)
        ticked = self._vitals.last_tick()
        if ticked is not None:
            yield _one("mailer_last_tick_timestamp_seconds", "When this process's clock last ticked well.", ticked)

    def _deployment(self, figures: Figures) -> Iterator[Metric]:
        now = self._vitals.app.now()
        age = max((now - figures.oldest).total_seconds(), 0.0) if figures.oldest else 0.0
        yield _one("mailer_queue_mails", "Mails of any kind that are queued.", figures.queued)
        yield _one("mailer_queue_oldest_age_seconds", "For how long the oldest queued mail has been owed.", age)
        yield _one("mailer_lanes_paused", "Lanes that are paused: a provider refuses us.", len(figures.lanes_paused))
        paused = GaugeMetricFamily("mailer_lane_paused", "1 for each lane that is paused.", labels=("lane",))
        for lane in figures.lanes_paused:
            paused.add_metric((lane,), 1)
        failing = GaugeMetricFamily(
            "mailer_source_failures", "How often in a row a source of articles failed.", labels=("source",)
        )
        for source, failures in figures.sources.items():
            failing.add_metric((source,), failures)
        readers = GaugeMetricFamily("mailer_subscribers", "Subscribers by status.", labels=("status",))
        for status, count in figures.subscribers.items():
            readers.add_metric((status,), count)
        left = GaugeMetricFamily("mailer_left_in_a_week", "Who left in the last seven days.", labels=("method",))
        for method, count in figures.left_in_a_week.items():
            left.add_metric((method,), count)
        yield from (paused, failing, readers, left)


def _issue(figures: Figures) -> Iterator[Metric]:
    """Of the issue under way, or of the newest when none is."""
    issue = figures.issue
    if issue is None:
        return
    state = GaugeMetricFamily("mailer_issue_state", "1 for the state the issue is in.", labels=("slot", "state"))
    for each in IssueState:
        state.add_metric((issue.slot, each), each is issue.state)
    recipients = GaugeMetricFamily("mailer_issue_recipients", "Readers frozen for the issue.", labels=("slot",))
    recipients.add_metric((issue.slot,), issue.recipients)
    deliveries = GaugeMetricFamily("mailer_issue_deliveries", "Its mails by state.", labels=("slot", "state"))
    for kind, count in figures.counts.items():
        deliveries.add_metric((issue.slot, kind), count)
    yield from (state, recipients, deliveries)
    if issue.started_at:
        started = GaugeMetricFamily("mailer_issue_started_timestamp_seconds", "When it began.", labels=("slot",))
        started.add_metric((issue.slot,), issue.started_at.timestamp())
        yield started


def _one(name: str, meaning: str, value: float) -> Metric:
    family = GaugeMetricFamily(name, meaning)
    family.add_metric((), value)
    return family
