"""The use cases of an issue: drafting, editing, freezing, sending and reporting.

Each use case is a function `verb(app, …) -> value`. The function reads the store, lets a pure module decide, and
applies the decision. `cli`, `web`, `service` and `demo` all call these functions.
"""
