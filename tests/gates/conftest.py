"""Imports the fixtures of `gates_fixtures`; they are not defined here because mypy allows only one conftest."""

from gates_fixtures import browser, pytest_collection_modifyitems, report, tried

__all__ = ["browser", "pytest_collection_modifyitems", "report", "tried"]
