"""Trained weights that travel with the repository, in weights/.

In: weights/, where `weights: shipped` takes them in place of a training; or models/ of a run that is to be shipped.
Out: models/ddpm.* and models/classifier.*, as the trainings make them (unpack_ddpm, unpack_classifier); and, as targets
outside `all`, weights/ from a run (ship_weights) and its model card (write_card).
"""

for model in SHIPPED:
    if absent := [file for file in [*WEIGHTS[model], RECORDS[model], TABLES[model], SUMS] if not Path(file).is_file()]:
        raise WorkflowError(
            f"{model}.weights is 'shipped', but there is no {', '.join(absent)}: restore the folder with "
            f"`git checkout -- weights`, or set {model}.weights to 'train'"
        )

    rule:
        name:
            f"unpack_{model}"
        input:
            library=library("unpack_weights.py"),
            weights=WEIGHTS[model],
            record=RECORDS[model],
            table=TABLES[model],
            sums=SUMS,
        output:
            weights=f"<results>/models/{model}.safetensors",
            summary=f"<results>/models/{Path(RECORDS[model]).name}",
            table=f"<results>/models/{Path(TABLES[model]).name}",
        log:
            f"<logs>/unpack_{model}.log",
        benchmark:
            f"<benchmarks>/unpack_{model}.tsv"
        group:
            "weights"
        conda:
            "../../envs/learn.yaml"
        params:
            model=model,
            settings=USED[model],
        message:
            f"Check and unpack the weights of weights/ for the {model}"
        script:
            "../scripts/unpack_weights.py"


# Targets of their own, outside `all`: they write into weights/, which is committed.
if not SHIPPED:

    rule ship_weights:
        input:
            library=library("ship_weights.py"),
            ddpm="<results>/models/ddpm.safetensors",
            classifier="<results>/models/classifier.safetensors",
            summaries=["<results>/models/ddpm.json", "<results>/models/classifier.json"],
            tables=["<results>/models/ddpm_history.csv", "<results>/models/classifier_confusion.csv"],
            start=[START["record"]] if config["ddpm"]["start"] else [],
        output:
            # Those that are there stay if this fails, which may be the only ones of a long training.
            ddpm=update(WEIGHTS["ddpm"]),
            classifier=update(WEIGHTS["classifier"]),
            records=update(list(RECORDS.values())),
            tables=update(list(TABLES.values())),
            sums=update(SUMS),
        log:
            "<logs>/ship_weights.log",
        benchmark:
            "<benchmarks>/ship_weights.tsv"
        conda:
            "../../envs/learn.yaml"
        params:
            settings=SETTINGS,
            seed=config["seed"],
        message:
            "Put the weights of the run '{config[preset]}' into weights/"
        script:
            "../scripts/ship_weights.py"


if len(SHIPPED) == len(WEIGHTS):

    rule write_card:
        input:
            library=library("write_card.py"),
            template="workflow/scripts/publishing/templates/card.md",
            record=RECORDS["ddpm"],
            numbers="<results>/numbers.json",
        output:
            card="weights/README.md",
        log:
            "<logs>/write_card.log",
        benchmark:
            "<benchmarks>/write_card.tsv"
        conda:
            "../../envs/learn.yaml"
        message:
            "Write the model card of weights/ from the run '{config[preset]}'"
        script:
            "../scripts/write_card.py"
