"""Verbs: one function for each thing that a person or the clock asks for, `verb(app, …) -> value`.

The doors (cli, web, service, demo) call the same verbs. A verb gathers from the store, lets a pure room decide, and
applies what was decided.
"""
