from bench.hello.data import x, y

points = [(float(a), float(b)) for a, b in zip(x.ravel(), y.ravel(), strict=True)]
weight = bias = 0.0
for _ in range(200):
    off = [weight * a + bias - b for a, b in points]
    weight -= 0.2 * sum(o * a for o, (a, _) in zip(off, points, strict=True)) / len(points)
    bias -= 0.2 * sum(off) / len(points)
print(f"weight={weight:.4f} bias={bias:.4f}")
