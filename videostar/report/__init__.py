"""The report: a page to look at one run or several."""

REPORT = "report"  # its folder in that of a run
