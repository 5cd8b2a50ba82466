"""Checks templates for `mailer templates check`: renders sample issues and applies the rules that every mail must keep.

The checks in a browser (`make gates`), the sample mails in `tests/golden` and the screenshots use this package, too.
The service does not check the mails it sends.
"""
