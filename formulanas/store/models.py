"""The folders of retrained models."""

RETRAIN_FILE, WEIGHTS_FILE = "retrain.yaml", "weights.pt"
