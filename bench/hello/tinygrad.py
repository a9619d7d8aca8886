"""Linear regression in tinygrad: a layer, an optimizer, and a step that TinyJit records and replays."""

from tinygrad import Context, Tensor, TinyJit, nn

from bench.hello.data import x, y

inputs, targets = Tensor(x), Tensor(y)
model = nn.Linear(1, 1)
optimizer = nn.optim.Adam(nn.state.get_parameters(model), lr=0.1)


@TinyJit
@Context(TRAINING=1)
def step():
    optimizer.zero_grad()
    loss = (model(inputs) - targets).square().mean().backward()
    return loss.realize(*optimizer.schedule_step())


for epoch in range(200):
    step()

print(f"weight={model.weight.item():.4f} bias={model.bias.item():.4f}")
