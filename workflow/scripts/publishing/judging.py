"""What is written of the classifier's training: apart from the network's, which no change of the classifier repeats."""

import pandas as pd
import torch

from diffusion.classifier import accuracy
from diffusion.images import Digits


def judge_summary(confusion: pd.DataFrame, digits: Digits, model: torch.nn.Module, seconds: float) -> dict:
    """What a run tells of its classifier: size, data, time of training, and how it did on the test images."""
    return {
        "test_accuracy": accuracy(confusion),
        "test_images": len(digits.test_images),
        "training_images": len(digits.train_images),
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": seconds,
    }
