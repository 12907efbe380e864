import logging

import numpy as np
import pandas as pd
import torch

from diffusion.classifier import CLASSES, Classifier, probabilities
from engine.files import write_json
from engine.job import job

output, threshold = snakemake.output, snakemake.params.confidence

with job(snakemake):
    shards = [np.load(shard) for shard in snakemake.input.shards]
    index = np.concatenate([shard["index"] for shard in shards])
    order = np.argsort(index)
    images = np.concatenate([shard["images"] for shard in shards])[order]

    model = Classifier.load(snakemake.input.classifier)
    # Algorithm 2 may end a little outside the grey values' range [-1, 1], which real images never leave.
    p = probabilities(model, torch.from_numpy(images).clamp(-1, 1), torch.device("cpu")).numpy()
    table = pd.DataFrame({"index": index[order], "label": p.argmax(axis=1), "confidence": p.max(axis=1)})
    table = table.join(pd.DataFrame(p, columns=[f"p{label}" for label in range(CLASSES)]))
    recognised = table["confidence"] > threshold
    summary = {
        "samples": len(table),
        "confidence_threshold": threshold,
        "recognised": int(recognised.sum()),
        "recognised_share": float(recognised.mean()),
        "mean_confidence": float(table["confidence"].mean()),
        "counts": {str(label): int((table["label"] == label).sum()) for label in range(CLASSES)},
    }
    logging.info("%.1f %% of %d samples recognised above %g", 100 * recognised.mean(), len(table), threshold)
    table.to_csv(output.categories, index=False)
    write_json(output.summary, summary)
    np.savez(output.data, images=images[:, 0], label=table["label"], confidence=table["confidence"])
