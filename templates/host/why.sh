# Why do instances not answer? Says it of those of their units $@ that do not run.
set -u
unit_log "$@"
