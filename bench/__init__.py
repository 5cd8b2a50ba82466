"""`make bench`: figures that anybody can measure again. Ratios in one run; nothing here is asserted in a test."""
