"""Pure functions for text, links, dates, spelling and languages. Every other folder may use them."""
