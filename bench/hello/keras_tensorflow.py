"""Linear regression in Keras: a Sequential model, compile, fit."""

import keras

from bench.hello.data import x, y

model = keras.Sequential([keras.Input(shape=(1,)), keras.layers.Dense(1)])
model.compile(optimizer=keras.optimizers.Adam(learning_rate=0.1), loss="mse")
model.fit(x, y, epochs=200, batch_size=200, verbose=0)

weight, bias = model.get_weights()
print(f"weight={weight.item():.4f} bias={bias.item():.4f}")
