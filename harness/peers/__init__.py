"""samestep beside other benchmark tools, on the same steps in one session of one host."""
