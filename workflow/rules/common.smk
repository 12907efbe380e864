"""What the rule files share, namely the modules that a script uses and the files that more than one of them names.

In: the settings, workflow/figures.yaml and beyond.yaml, and the scripts, which are searched for what they import.
Out: `library` for every rule's input; the names of the run's final files for `rule all`; the report's opening page.
"""

from modulefinder import ModuleFinder

# What must be fetched from elsewhere before this run can start.
FETCHED = sources.archives(config["data"]["source"])
# What every figure and document of a run on other data than the paper's must say; else empty.
NOTE = sources.demo_note(config["data"]["source"])
# The weights that the training goes on from, where ddpm.start names some.
START = {
    "weights": "<results>/models/start.safetensors",
    "record": "<results>/models/start.json",
    "history": "<results>/models/start_history.csv",
}
# The files of weights/, which travel with the repository.
WEIGHTS = {
    "ddpm": expand("weights/ddpm-{n}-of-2.safetensors", n=[1, 2]),
    "classifier": ["weights/classifier.safetensors"],
}
RECORDS = {"ddpm": "weights/ddpm.json", "classifier": "weights/classifier.json"}
TABLES = {"ddpm": "weights/ddpm_history.csv", "classifier": "weights/classifier_confusion.csv"}
SUMS = "weights/SHA256SUMS"
# Each figure's file name, with what draws it and what is said of it.
FIGURES = settings_files.load(SCRIPTS.parent / "figures.yaml")
# The chapters beyond the paper, which stand apart from the run, in its order; each in parts, and a part `name` is a rule
# explore_<name>, a module claims/<name>.py, and the files beyond/<name>.json and .npz of the results.
CHAPTERS = {
    "forcing": ["forcing"],
    "reversal": ["reversal"],
    "digits": ["digits"],
    "memory": ["memory", "memory_digits", "memory_network"],
    "start": ["start", "start_network"],
    "steps": ["steps", "steps_network"],
    "decision": ["decision", "decision_network"],
}
# The parts that need the trained network: they are left out unless beyond.network asks for them.
OF_NETWORK = ["memory_network", "start_network", "steps_network", "decision_network"]
# The rule that makes what a part measures, where it is one with several jobs.
HELPERS = {"steps_network": "sample_in_steps", "decision_network": "return_digits"}
PARTS = {
    chapter: [part for part in parts if config["beyond"]["network"] or part not in OF_NETWORK]
    for chapter, parts in CHAPTERS.items()
}
EXPLORED = [part for parts in PARTS.values() for part in parts]
# Their figures, as those of the run; drawn of the parts that are there.
BEYOND = {
    name: figure
    for name, figure in settings_files.load(SCRIPTS.parent / "beyond.yaml").items()
    if Path(figure["data"]).stem in EXPLORED
}
# The files of results/<preset>/claims/ that hold what was measured.
MEASURES = ["algebra", "forward", "network", "pde", "samples", "sde"]


report: "../report/workflow.rst"


def library(script: str, *modules: str) -> list[str]:
    """The modules of workflow/scripts that a script uses, directly or through one another; also `modules`, those that it
    imports by a name that its rule gives.

    Rules name them as inputs: Snakemake tracks a rule's script, but not what that imports.
    """
    # An empty folder with the name of another package is no package of ours, and would stop the finder.
    foreign = [folder.name for folder in SCRIPTS.iterdir() if folder.is_dir() and not any(folder.glob("*.py"))]
    finder = ModuleFinder(path=[str(SCRIPTS)], excludes=foreign)
    finder.run_script(str(SCRIPTS / script))
    for module in modules:
        finder.import_hook(module)
    found = {Path(m.__file__) for name, m in finder.modules.items() if name != "__main__" and m.__file__}
    return [f"workflow/scripts/{file.relative_to(SCRIPTS).as_posix()}" for file in sorted(found)]


def figures(*formats: str) -> list[str]:
    """Every figure in these formats."""
    return expand("<results>/figures/{name}.{format}", name=FIGURES, format=formats)


def targets() -> list[str]:
    """The final files of a run: what `rule all` asks for, and what the run's provenance lists first."""
    return [
        *figures("pdf", "png"),
        "<results>/samples/categories.csv",
        "<results>/models/classifier_confusion.csv",
        "<results>/pde/convergence.csv",
        "<results>/pde/growth_rates.csv",
        "<results>/claims/claims.csv",
        "<results>/claims/claims.json",
        "<results>/claims/claims.html",
        "<results>/companion.pdf",
        "<results>/classroom.html",
    ]


def names_of_jobs(_) -> list[str]:
    """Patterns of the names of all jobs that a run with these settings may have, but of describe_run, by their logs."""
    logs = [Path(str(rule.log[0])).stem for rule in workflow.rules if rule.log and rule.name != "describe_run"]
    shards = gather.samples("{scatteritem}")
    named = [re.sub(r"\{scatteritem[^{}]*\}", shard, log) for log in logs for shard in shards]
    return sorted({re.sub(r"\{[^{}]*\}", "*", name) for name in named})
