"""The data set that is streamed: images of 32 × 32 × 3 with labels, generated, in shards. NumPy and nothing else.

    images     which pixels and which label a sample has: a function of its index
    augment    which flip and crop it gets: a function of seed, epoch and index
    records    TFRecord framing around zlib streams whose bytes are the same on every machine
    dataset    the sizes, the files of each format, and whether they are whole
    make       writing the files
    identity   the digests by which pipelines are compared
"""
