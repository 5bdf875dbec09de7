#!/bin/sh
# Answers the task `program` with built-in commands only, so that it starts in a millisecond:
# whether most tokens are 1, or, as count_ones.sh running, how many were so far, modulo 3.
IFS=,
while read -r line; do
  tokens=${line#*[}
  set -- "$1" ${tokens%]*}
  how=$1
  shift
  ones=0 targets=
  for token in "$@"; do
    ones=$((ones + token))
    targets=$targets,$((ones % 3))
  done
  if [ "$how" = running ]; then
    echo "{\"targets\":[${targets#,}]}"
  else
    echo "{\"answer\":$((2 * ones > $#))}"
  fi
  set -- "$how"
done
