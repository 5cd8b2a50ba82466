"""Text: cleaned, linked, dated, spelled and localised. Pure functions that every other folder may use."""
