"""The demo: invented articles, a mail server and pages that show the mails, all on loopback.

No code outside the demo and its command imports this package. `sample` has the articles, `inbox` receives the mails,
`letter` parses a mail, and `pages` shows the mails.
"""
