"""SQL of matching: `rows` finds and marks duplicates, `questions` keeps what is asked."""
