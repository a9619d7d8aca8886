"""Linear regression in Keras 1: a stack of layers, compile, fit."""

from data import x, y
from keras.layers import Dense
from keras.models import Sequential
from keras.optimizers import Adam

model = Sequential()
model.add(Dense(1, input_dim=1))
model.compile(loss="mse", optimizer=Adam(lr=0.1))
model.fit(x, y, batch_size=200, nb_epoch=200, verbose=0)

weight, bias = model.get_weights()
print("weight=%.4f bias=%.4f" % (weight[0, 0], bias[0]))
