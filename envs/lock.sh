#!/bin/sh
# Write every lock, of envs/ and of the benchmarks' peers, from its short list (`make lock`): the full closure of
# packages, pinned and hashed, valid for Python 3.11 and later on every platform. All take the workflow's versions.
# CONTRIBUTING.md, "Decisions", says why the .yaml files hold a `pip:` list with hashes and not packages of conda.
set -eu
cd "$(dirname "$0")"

compile() {
    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header "$@"
}

compile workflow.in --output-file workflow.txt
compile notebooks.in --constraint workflow.txt --output-file notebooks.txt
compile tests.in --constraint workflow.txt --constraint notebooks.txt --output-file tests.txt
compile ../benchmarks/peers.in --constraint workflow.txt --output-file ../benchmarks/peers.txt
compile citation.in --output-file citation.txt
for environment in learn live numerics paper provenance; do
    {
        printf '# Made by `make lock` from %s.in; do not edit.\n' "$environment"
        printf 'channels: [conda-forge]\ndependencies:\n  - python=3.12\n  - pip=25.3\n  - pip:\n'
        compile "$environment.in" --constraint workflow.txt --output-file /dev/stdout |
            sed -e ':join' -e '/\\$/{N; s/ *\\\n */ /; b join' -e '}' -e 's/.*/      - "&"/'
    } > "$environment.yaml"
done
