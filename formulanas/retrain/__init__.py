"""Retraining: a formula over a full-size backbone, through a full schedule, the test set opened once at the end."""

from formulanas.retrain.retrain import retrain
from formulanas.retrain.seeds import Summary, retrain_seeds
from formulanas.retrain.settings import Options

__all__ = ["Options", "Summary", "retrain", "retrain_seeds"]
