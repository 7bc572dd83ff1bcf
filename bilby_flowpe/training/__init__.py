"""From Bilby objects to a trained model."""
