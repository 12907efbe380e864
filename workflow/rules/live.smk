"""The page on which the trained network draws live, in a browser; a target of its own (`make live`), outside `all`.

In: models/ddpm.safetensors and .json, figures/fig2.npz, the page's template; from npm's registry or a mirror, the engine.
Out: resources/onnxruntime-web-<version>.tgz, which all presets share (download_runtime); live/network.onnx, for any
program that reads ONNX (export_network); live.html (make_live).
"""

RUNTIME = "resources/onnxruntime-web-1.30.0.tgz"


rule download_runtime:
    input:
        library=library("download_runtime.py"),
    output:
        archive=RUNTIME,
    log:
        "<logs>/download_runtime.log",
    benchmark:
        "<benchmarks>/download_runtime.tsv"
    localrule: True
    conda:
        "../../envs/live.yaml"
    message:
        "Fetch the engine that runs the network in a browser, and check it"
    script:
        "../scripts/download_runtime.py"


rule export_network:
    input:
        library=library("export_network.py"),
        weights="<results>/models/ddpm.safetensors",
    output:
        network="<results>/live/network.onnx",
    log:
        "<logs>/export_network.log",
    benchmark:
        "<benchmarks>/export_network.tsv"
    group:
        "documents"
    conda:
        "../../envs/live.yaml"
    params:
        network=NETWORK,
        image_size=config["data"]["image_size"],
    message:
        "Export the network to ONNX"
    script:
        "../scripts/export_network.py"


rule make_live:
    input:
        library=library("make_live.py"),
        template="workflow/scripts/publishing/templates/live.html",
        parts=expand(
            "workflow/scripts/publishing/templates/{name}",
            name=["classroom.css", "live.css", "live.js", "live_worker.js"],
        ),
        network="<results>/live/network.onnx",
        archive=RUNTIME,
        summary="<results>/models/ddpm.json",
        forward="<results>/figures/fig2.npz",
    output:
        page="<results>/live.html",
    log:
        "<logs>/make_live.log",
    benchmark:
        "<benchmarks>/make_live.tsv"
    group:
        "documents"
    conda:
        "../../envs/live.yaml"
    params:
        preset=config["preset"],
        note=NOTE,
        seed=config["seed"],
        network=NETWORK,
        schedule=SCHEDULE,
    message:
        "Make the page on which the network draws live"
    script:
        "../scripts/make_live.py"
