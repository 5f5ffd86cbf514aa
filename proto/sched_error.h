/*
 * sched_error.h - every error the project can report, in one table.
 *
 * The enum, the wire codes, the texts and the table in docs/protocol.md all come from SC_ERRORS.  Append a row;
 * never renumber or reuse a code.  Installed next to sched_client.h, because the library returns these.
 */
#ifndef SCHED_ERROR_H
#define SCHED_ERROR_H

/* What a program sees of the client library; all else in it is hidden. */
#if defined(__GNUC__)
#define SC_API __attribute__((visibility("default")))
#else
#define SC_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ERR(name, wire code, text) */
#define SC_ERRORS(ERR)                                                                                                 \
	ERR(OK, 0, "success")                                                                                          \
	ERR(NOMEM, 1, "out of memory")                                                                                 \
	ERR(MALFORMED, 2, "message is not valid for its schema")                                                       \
	ERR(TOO_BIG, 3, "message or field over its limit")                                                             \
	ERR(BAD_FRAME, 4, "not a frame of this protocol")                                                              \
	ERR(VERSION, 5, "no protocol version in common")                                                               \
	ERR(AUTH, 6, "wrong secret for this role")                                                                     \
	ERR(UNEXPECTED, 7, "message not allowed from this peer now")                                                   \
	ERR(TIMEOUT, 8, "no answer in time")                                                                           \
	ERR(CLOSED, 9, "connection closed")                                                                            \
	ERR(UNREACHABLE, 10, "cannot connect")                                                                         \
	ERR(IO, 11, "input/output error")                                                                              \
	ERR(IN_USE, 12, "already in use")                                                                              \
	ERR(NOT_FOUND, 13, "no such thing")                                                                            \
	ERR(INVALID, 14, "invalid value")                                                                              \
	ERR(BAD_STATE, 15, "not possible in the present state")                                                        \
	ERR(CYCLE, 16, "dependencies form a cycle")                                                                    \
	ERR(LIMIT, 17, "a limit is reached")                                                                           \
	ERR(SLOW_PEER, 18, "peer does not read what is sent to it")                                                    \
	ERR(LOST, 19, "the result is no longer held by any worker")                                                    \
	ERR(DENIED, 20, "permission denied")                                                                           \
	ERR(FAILED, 21, "the work failed")                                                                             \
	ERR(SHUTDOWN, 22, "the scheduler is shutting down")                                                            \
	ERR(EXISTS, 23, "exists already")                                                                              \
	ERR(UNKNOWN_MESSAGE, 24, "message code is not known")                                                          \
	ERR(SEQUENCE, 25, "a frame was lost or repeated")

typedef enum sc_err {
#define SC_ERR_ENUM(name, code, text) SC_##name = (code),
	SC_ERRORS(SC_ERR_ENUM)
#undef SC_ERR_ENUM
} sc_err;

/* The text of an error; for a code this version does not know, "unknown error".  Static; any thread. */
SC_API const char *sc_err_text(sc_err err);

/* Its name as in the table ("NOT_FOUND"), for logs and JSON.  Static; any thread. */
SC_API const char *sc_err_name(sc_err err);

#ifdef __cplusplus
}
#endif

#endif
