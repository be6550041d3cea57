"""What is told twice: duplicates that are certain are applied, those that are not are asked."""
