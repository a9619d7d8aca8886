"""A loop that is looked into: five times x ← x · W, with every product wanted. One file for each framework and form.

A file is called FRAMEWORK_FORM.py and imports nothing of ours, since some run in an older Python. It has

    every(steps, x, w)    returns a function that returns each of the products, as a NumPy array of float32
    last(steps, x, w)     returns a function that returns the last of them alone

Both functions take no arguments, and what they return is there: no call is left in a queue. The line that multiplies in
`every` ends with `# the body`: there the breakpoint is set. `run.py` times them and counts where a debugger stops.
"""
