#!/bin/sh
# Count the files in $DIR; a task of the same job does so for each directory in it.
n=0
for d in "$DIR"/*/; do
	[ -d "$d" ] && [ ! -L "${d%/}" ] || continue
	n=$((n + 1))
	schedctl submit --job "$SCHED_JOB_ID" --name "$SCHED_KEY.$n" --env DIR="${d%/}" -- sh "$(realpath "$0")" >/dev/null || exit 1
done
find "$DIR" -maxdepth 1 -type f | wc -l
