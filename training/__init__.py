"""Trains the next model version. The only package that imports TensorFlow and Keras."""
