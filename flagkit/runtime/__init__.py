"""Time and threads of flagkit live here and nowhere else."""
