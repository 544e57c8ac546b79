"""What the person did with earlier suggestions: kept in a file of their own, and nowhere else."""
