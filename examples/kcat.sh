#!/usr/bin/env bash
# Refrain by kcat, for a look or a script. Fields are separated by tabs.
#
#   kcat.sh KAFKA plays < plays.tsv    # a line: the user id, a tab, the play as JSON
#   kcat.sh KAFKA forget USER
#   kcat.sh KAFKA answers short-term   # follow a topic: user, bytes of the answer (-1: forgotten), the answer as JSON
#   kcat.sh KAFKA dead-letters         # follow the rejected plays: headers with the reason, the play
set -euo pipefail

# librdkafka's own default, consistent_random, is CRC-32: it would send a listener to another partition than Java does.
plays() {
  kcat -P -b "$kafka" -t plays -K '\t' -Z \
    -X partitioner=murmur2_random -X enable.idempotence=true -X acks=all
}

forget() { # a key without a value, which -Z sends as null
  printf '%s\t\n' "$1" | plays
}

answers() {
  exec kcat -C -b "$kafka" -t "recommendations.$1" -o beginning -q -u -X isolation.level=read_committed \
    -f '%k\t%S\t%s\n'
}

dead-letters() {
  exec kcat -C -b "$kafka" -t plays.dead-letter -o beginning -q -u -X isolation.level=read_committed \
    -f '%h\t%s\n'
}

kafka=$1
"${@:2}"
