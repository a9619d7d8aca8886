"""What TensorFlow and Keras on TensorFlow share: device, models, steps, Session, proof of mode, probes."""
