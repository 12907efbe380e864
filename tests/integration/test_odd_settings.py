"""All chapters with the oddest settings that are allowed, at once: they end, and the program is not called wrong."""

import json

ODD = """
preset: odd
data: {source: digits, image_size: 8}
ddpm: {T: 1, beta_1: 0.9, beta_T: 0.9, channels: 2, batch_size: 1, epochs: 1.0e-6}
classifier: {epochs: 1, batch_size: 1437}
samples: {count: 1, originals: 1, confidence: 0}
figures: {training_images: 1, forward_times: [1], backward_times: [0, 1], image: 1436}
pde: {cells: 16, dt: 0.5, t_end: 0.5, profile_times: [0], amplitudes: [0, -1.0e-50], refinement: [16, 17]}
beyond:
  network: true
  forcing: {sigma: 1.0e-300, paths: 2000}
  reversal: {end: 0.1, draws: 1, noise: [10], noisy_ends: [20], paths: 100, steps: 10}
  digits: {flow_times: [100], ends: [1], error: 0.999, readings: 10, references: 100}
  memory: {images: 2, times: 2, samples: 1, network_images: 2, sizes: [3, 2], width: 1, steps: 1, batch_size: 1,
           learning_rate: 1, small_samples: 10}
  start: {lengths: [100000], refinements: [64, 1], draws: 10, pairs: 3}
  steps: {numbers: [7], images: 20}
  decision: {times: [7], originals: 5}
"""


def test_the_oddest_settings_end_in_figures_claims_and_documents(checkout):
    (checkout / "odd.yaml").write_text(ODD)
    done = checkout.snakemake("--configfile", "odd.yaml", "--", "all", "beyond")
    assert done.returncode == 0, done.output
    results = checkout / "results/odd"
    for file in ("claims/claims.json", "beyond/claims.json"):
        claims = json.loads((results / file).read_text(encoding="utf-8"))["claims"]
        ours = [claim for claim in claims if claim["kind"] in ("algebra", "program")]
        assert len(ours) > 3 and not [claim for claim in ours if claim["verdict"] == "not confirmed"]
    assert (results / "companion.pdf").is_file() and (results / "beyond.pdf").is_file()
