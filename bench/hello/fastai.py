"""Linear regression in fastai: DataLoaders, a Learner, fit_one_cycle."""

from fastai.tabular.all import *

from bench.hello.data import x, y

dataset = list(zip(tensor(x), tensor(y)))
dls = DataLoaders.from_dsets(dataset, dataset, bs=20, num_workers=0)
learn = Learner(dls, nn.Linear(1, 1), loss_func=MSELossFlat())
learn.fit_one_cycle(20, lr_max=0.5)

print(f"weight={learn.model.weight.item():.4f} bias={learn.model.bias.item():.4f}")
