"""Evaluation: named protocols, one pass of a model over them, metrics with intervals, one report."""
