from snakemake.utils import min_version

min_version("9.27")


include: "workflow/rules/environment.smk"


configfile: "config.yaml"


include: "workflow/rules/settings.smk"
include: "workflow/rules/common.smk"
# The rules, in any order.
include: "workflow/rules/data.smk"
include: "workflow/rules/ddpm.smk"
include: "workflow/rules/classifier.smk"
include: "workflow/rules/weights.smk"
include: "workflow/rules/samples.smk"
include: "workflow/rules/pde.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/paper.smk"
include: "workflow/rules/provenance.smk"
include: "workflow/rules/classroom.smk"
include: "workflow/rules/live.smk"
include: "workflow/rules/gallery.smk"
include: "workflow/rules/beyond.smk"
include: "workflow/rules/places.smk"


rule all:
    default_target: True
    input:
        targets(),
        "<results>/ro-crate-metadata.json",
