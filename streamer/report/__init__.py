"""The report: every system on recorded plays, side by side, as figures and as a page."""
