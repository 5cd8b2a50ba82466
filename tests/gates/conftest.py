"""Hands the fixtures of `gates_fixtures` to the gates (mypy knows only one conftest, so they stand there)."""

from gates_fixtures import browser, pytest_collection_modifyitems, report, tried

__all__ = ["browser", "pytest_collection_modifyitems", "report", "tried"]
