"""Networks to take away: plain PyTorch code, ONNX, and torch's own exported programs."""
