"""Many events in one go: from configurations to results, maps and pages, one table, one file, and other priors later."""
