"""What each template expects: pages fill these, templates read nothing else (as `view`)."""
