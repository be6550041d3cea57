"""Measures the budgets of the design, each beside a floor in the same run: `make bench`."""
