"""A report: what each model reached, as tables, plots, and one page."""
