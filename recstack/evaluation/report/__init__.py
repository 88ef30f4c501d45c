"""The report of an evaluation, as JSON, Markdown tables, plots and one HTML page."""
