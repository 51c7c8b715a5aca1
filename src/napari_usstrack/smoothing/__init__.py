"""Filters and outliers of positions over time; missing cells respected."""
