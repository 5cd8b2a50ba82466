"""Use cases for articles: collect, pin and ban them, backtest other settings, and prepare pictures."""
