/*
 * handshake.h - the first message of each side: who are you, do we speak the same protocol, may you come in.
 */
#ifndef NET_HANDSHAKE_H
#define NET_HANDSHAKE_H

#include "net/conn.h"

#define ROLE_CLIENT	   "client"
#define ROLE_WORKER	   "worker"
#define ROLE_WORKER_CLIENT "worker-client" /* a client inside a task; has the secret of clients */
#define ROLE_PEER	   "peer"	   /* fetches results from a worker's data port */

#define HANDSHAKE_FRAME_BYTES 4096u  /* nothing longer is read from a peer before it has identified itself */
#define HANDSHAKE_FRAME_MIN   65536u /* a peer that accepts less could not be told what there is to tell */

#define SCHED_VERSION "0.1.0"

/* What the accepting side knows. */
struct handshake_rules {
	/* The secret this role has to show, or NULL when the role is not accepted here. */
	const char *(*secret_of)(const char *role, void *arg);
	void *arg;
	const char *incarnation; /* may be "" */
	const char *data_secret; /* "" unless this is the scheduler */
	uint32_t max_frame_bytes;
	size_t compress_min_bytes;
};

/*
 * Judge the first message of an accepted connection.  On success the peer has been welcomed and role[] names it.
 * On failure the peer has been told why and the connection is closing.
 */
sc_err handshake_accept(struct conn *c, const struct msg *m, const struct handshake_rules *r, char role[32]);

/* Say hello on a connection just made.  software names this program. */
sc_err handshake_hello(struct conn *c, const char *role, const char *secret, const char *software);

/* The same, as a client inside a task of this job. */
sc_err handshake_hello_of_job(struct conn *c, const char *role, const char *secret, const char *software, uint64_t job);

/*
 * Judge the answer.  SC_OK: a welcome, *m->u.welcome is valid.  Otherwise the error the other side reported, or
 * SC_UNEXPECTED, SC_VERSION, SC_INVALID (it accepts too small frames); *text (cap bytes) says it in words.  The caller
 * closes.
 */
sc_err handshake_welcomed(struct conn *c, const struct msg *m, size_t compress_min_bytes, char *text, size_t cap);

#endif
