"""Makes the next model version. The only house that imports TensorFlow and Keras."""
