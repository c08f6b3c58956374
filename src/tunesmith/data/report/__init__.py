"""``report.html`` of a Dataset: the page and its parts."""
