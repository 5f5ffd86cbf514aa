/*
 * access.h - the access file: where the scheduler is and the secret of each role.
 *
 * A small YAML map, mode 0600:
 *     incarnation: 1f0c...        pid: 4711           http: http://127.0.0.1:41235
 *     addresses: [tcp://127.0.0.1:41234]
 *     client-secret: 9a...        worker-secret: 77...
 * The scheduler that wrote it holds a lock on it (flock) as long as it lives; it is replaced by rename, so a reader
 * sees an old or a new one, never a part.  Secrets of a file left by a dead scheduler are kept, so that copies of it
 * stay valid.
 */
#ifndef NET_ACCESS_H
#define NET_ACCESS_H

#include <stddef.h>

#include "base/buf.h"
#include "net/address.h"
#include "proto/sched_error.h"

#define ACCESS_ADDRESSES_MAX 8
#define ACCESS_SECRET_MAX    128

struct access {
	char incarnation[64];
	long pid;
	char http[ADDRESS_MAX]; /* may be "" */
	size_t n_addresses;
	char addresses[ACCESS_ADDRESSES_MAX][ADDRESS_MAX];
	char client_secret[ACCESS_SECRET_MAX]; /* "" when the file does not tell */
	char worker_secret[ACCESS_SECRET_MAX];
};

/* `given` if not NULL, else $SCHED_ACCESS_FILE, else under $XDG_RUNTIME_DIR, else under ~/.sched.  Fills path. */
sc_err access_path(const char *given, char *path, size_t cap);

/* SC_NOT_FOUND, SC_DENIED, SC_INVALID; *error says what and where. */
sc_err access_read(const char *path, struct access *out, struct buf *error);

struct access_lock;

/*
 * Take the file over: *a gets the secrets of a dead scheduler's file, or fresh ones.  Makes the directory (0700).
 * SC_IN_USE: it belongs to a live scheduler; *error names it.
 */
sc_err access_claim(const char *path, struct access *a, struct access_lock **out, struct buf *error);

/* Write it, 0600. */
sc_err access_publish(struct access_lock *lock, const struct access *a, struct buf *error);

/* Remove the file and unlock.  NULL is fine. */
void access_release(struct access_lock *lock);

#endif
