# Why do instances not answer? What their units $@ say.
set -u
unit_log "$@"
