/*
 * share.h - a result that is in a file is given to another agent of the same machine as a second name of that file.
 *
 * Nothing is copied, however large it is, and each of the two removes its own name when it wants.  Works between agents
 * of one user whose spools are in one directory; everything else fails, and the bytes are sent.
 *
 * Who takes trusts the giver no further than that directory: a name that leads elsewhere, a link, a file of another
 * user or another one than was meant (by size, number and time of its last change) is refused.
 */
#ifndef WORKER_SHARE_H
#define WORKER_SHARE_H

#include "proto/message.h"
#include "worker/spool.h"
#include "worker/store.h"

/*
 * Describe a file of our spool (place BLOB_FILE) to another agent: all of *m but the request.  m->name borrows the
 * blob's path.  SC_INVALID: it is none, or not what it should be any more.
 */
sc_err share_give(const struct spool *s, const struct blob *b, struct msg_data_link *m);

/* Give the file that m describes another name, in our spool: out.  SC_INVALID, SC_NOT_FOUND; SC_IO with errno set. */
sc_err share_take(struct spool *s, const struct msg_data_link *m, char out[SPOOL_PATH_MAX]);

#endif
