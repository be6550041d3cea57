"""History: every change set in words, and taking any of them back, or putting it in force again."""
