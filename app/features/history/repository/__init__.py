"""SQL of the history: `sets` lists change sets, `plan` makes the fold of the rows of one."""
