"""Guests: programs in another language or interpreter that run a cell's calls and time each round themselves.

A guest has an interpreter, packages and a process of its own. The framework's file, in Python, starts it and compares
what it computed with float64: the guest only computes. It reads orders from its standard input and writes answers to
the descriptor that its last argument names, both as lines of JSON, each one word with its body:

    guest → host   {"started": {"versions": [NAME==VERSION, …]}}   once its libraries are loaded
    host → guest   {"build": …}           what to build: files, shapes, threads; each guest's own
    guest → host   {"built": …}           what it built, as it read it back
    host → guest   {"run": [CALLS, ROUNDS]}     so many rounds, one after the other: make so many calls, and wait for
                                          the last
    guest → host   {"ran": [{"begin_ns": …, "end_ns": …, "cpu_ns": …}, …]}   of each, by CLOCK_MONOTONIC, which all
                                          processes of a host share; and its processor time meanwhile, of all threads
    host → guest   {"output": FILE}       write the result of the last call there: float32, little-endian, C order
    guest → host   {"output": {"dtype": "float32", "shape": […]}}
    host → guest   {"parameters": FILE}   of what trains: write them there, likewise, in the order of their names
    guest → host   {"parameters": [[NAME, SHAPE, DTYPE], …]}
    host → guest   {"reset": null}        of what trains: back to the initial parameters and a fresh optimiser
    guest → host   {"reset": null}
    host → guest   {"rest": null}         collect garbage: the memory is looked at
    guest → host   {"rested": null}
    host → guest   {"proof": null}
    guest → host   {"proof": …}           what it says it did, read back; each guest's own
    host → guest   {"release": null}      drop all that was built
    guest → host   {"released": null}
    guest → host   {"failed": "TypeError: …"}                      instead of any answer

What it prints goes to the log of the turn. It ends when its standard input does, or with its host.

The pipe takes as long as a short call. So the clock of a round is the guest's, and it is held to the host's clock,
which all rounds must lie within (`bench.protocol.guest_clock`). A guest is in the process group of its replicate, which
is stopped and ended as a whole. Its processor time and memory count as the replicate's (`bench.guests.usage`).
"""
