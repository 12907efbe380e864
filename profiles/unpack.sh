#!/bin/sh
# Unpack environment.tar to where .venv points, a folder on the disk of the node, unless an earlier job has done so.
# Meant as `precommand: sh profiles/unpack.sh` in a profile: profiles/README.md says when.
folder=$(readlink .venv) && mkdir -p "$folder" && exec flock "$folder.lock" sh -c '
    test -e .venv/unpacked || { tar -xf environment.tar -C .venv && touch .venv/unpacked; }'
