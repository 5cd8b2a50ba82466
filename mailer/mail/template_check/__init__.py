"""The equipment of `templates check`: sample issues, a rendering of each, and the rules that every mail keeps.

The service never uses it for a mail that it sends. The gates, the golden mails and the screenshots use it, too.
"""
