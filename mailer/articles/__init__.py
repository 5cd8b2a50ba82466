"""Articles between the sources and the store: collected, pinned and banned, compared by backtest, given pictures."""
