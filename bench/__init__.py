"""`make bench`: measurements that anyone can repeat. Only ratios of figures from the same run are comparable. No test
asserts any figure."""
