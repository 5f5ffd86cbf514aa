# parts.bash - what the comparisons with peers share, to be sourced: parts that take a bounded time and may fail alone.
#
# Before it: out (directory), lines (file of all results), END_S (of everything), LEAST_S (less than that is not worth
# beginning with).  failed is 1 once a part has failed.

readonly PIP_S=120
failed=0 child=

stop_child() {
	[ -z "$child" ] || kill "$child" 2>/dev/null || :
}
trap stop_child EXIT
trap 'exit 130' INT TERM

say() {
	printf '== %3d s: %s\n' "$SECONDS" "$*" >&2
}

left() { # left LIMIT_S: that, or what is left of everything's time
	local rest=$((END_S - SECONDS))
	printf '%d\n' $((rest < $1 ? rest : $1))
}

part() { # part NAME LIMIT_S COMMAND...
	local err=$out/$1.err mine=$out/$1.jsonl limit began=$SECONDS status=0
	limit=$(left "$2")
	if [ "$limit" -lt "$LEAST_S" ]; then
		say "$1: left out, the time is up"
		failed=1
		return
	fi
	say "$1: at most $limit s"
	shift 2
	timeout -k 5 "$limit" "$@" >"$mine" 2>"$err" </dev/null &
	child=$!
	wait "$child" || status=$?
	child=
	tee -a "$lines" <"$mine"
	if [ "$status" -ne 0 ]; then
		failed=1
		say "failed with status $status after $((SECONDS - began)) s; the end of $err:"
	elif [ -s "$err" ]; then
		say "took $((SECONDS - began)) s, and had to say:"
	else
		say "took $((SECONDS - began)) s"
	fi
	tail -n 20 "$err" | sed 's/^/   /' >&2
}

venv_python() { # venv_python DIR PACKAGE MODULE: an interpreter that has it, made when pip can
	if [ ! -x "$1/bin/python" ] || ! "$1/bin/python" -c "import $3" 2>/dev/null; then
		say "the newest release of $2 into $1: at most $PIP_S s"
		timeout -k 5 "$PIP_S" bash -c '
			python3 -m venv "$1" && "$1/bin/pip" -q install "$2"' venv "$1" "$2" >&2 || return 0
	fi
	printf '%s\n' "$1/bin/python"
}

newest_dask() {
	if [ -n "${PEER_PYTHON:-}" ]; then
		printf '%s\n' "$PEER_PYTHON"
	else
		venv_python "$out/dask" distributed distributed
	fi
}

dask_version() { # dask_version PYTHON
	"$1" -c 'import distributed; print(distributed.__version__)' 2>"$out/python.err"
}
