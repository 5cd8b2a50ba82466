"""`make bench`: measurements that anyone can repeat. They are ratios within one run, and no test asserts them."""
