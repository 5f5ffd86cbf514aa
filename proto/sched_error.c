/* sched_error.c - texts and names of errors, from the table in sched_error.h. */
#include "proto/sched_error.h"

const char *sc_err_text(sc_err err)
{
	switch (err) {
#define X(name, code, text)                                                                                            \
	case SC_##name:                                                                                                \
		return text;
		SC_ERRORS(X)
#undef X
	}
	return "unknown error";
}

const char *sc_err_name(sc_err err)
{
	switch (err) {
#define X(name, code, text)                                                                                            \
	case SC_##name:                                                                                                \
		return #name;
		SC_ERRORS(X)
#undef X
	}
	return "UNKNOWN";
}
