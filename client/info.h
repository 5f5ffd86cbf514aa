/*
 * info.h - inside the library: the client's subscription to cluster info, and what single questions have brought.
 *
 * Made with the first use, never changed for another, freed with the client.
 */
#ifndef CLIENT_INFO_H
#define CLIENT_INFO_H

#include "base/buf.h"
#include "client/client.h"
#include "client/link.h"
#include "client/view.h"

/* What somebody wants to be told. */
struct info_wish {
	struct post post; /* first: the client's thread gets a pointer to it */
	struct info *info;
	uint64_t interval_us; /* UINT64_MAX: nothing */
	unsigned sections;
	char *namespace, *pool;
	struct slice *labels; /* owned, and so are the texts */
	size_t n_labels;
	sc_info_fn fn;
	void *arg;
	int is_automatic;  /* nobody has asked for it: any other goes before it */
	struct call *stop; /* begun when it is taken, to end what the scheduler knows of; its maker's.  NULL: nothing */
	int *taken;	   /* under client->lock: set when the client's thread has it; NULL: nobody waits */
};

struct info {
	struct sc_client *client;
	struct view *view; /* applied and published in the client's thread */
	atomic_int is_wanted;

	/* under client->lock */
	pthread_cond_t changed; /* complete, why, taken */
	int is_complete;
	char why[512]; /* the last failure since the last update */

	/* the client's thread */
	struct info_wish *wish; /* NULL: none yet */
	struct call call;
	int is_asked;	   /* the call is under way */
	struct call probe; /* after silence: whether the scheduler says anything at all */
	int is_probing;	   /* that call is under way */
	struct loop_timer *timer;
	uint64_t silence_us;  /* how long nothing may come; a test makes it shorter */
	uint64_t patience_us; /* the same, with the interval granted */
	uint64_t n_heard;     /* by the link, when the probe began */
	char incarnation[33]; /* of what the view's table holds */
	uint64_t epoch;	      /* 0: nothing to go on from */
	int had_version;      /* of this wish, and shown */
	int is_lost;
	int is_unpublished; /* the table is ahead of the version readers see */
	enum sc_info_event event;
	unsigned n_failures; /* since the last update */

	/* single questions, one at a time, from any thread */
	pthread_mutex_t ask_lock;
	struct view *asked;	  /* NULL: none yet */
	struct buf asked_options; /* what `asked` is the answer to */
	char asked_incarnation[33];
	uint64_t asked_epoch;
};

/* The client's, made if need be; NULL: out of memory. */
struct info *info_of(struct sc_client *client);

/* Whether the options can be sent; SC_INVALID with the thread's error text. */
sc_err info_check_options(const struct sc_info_options *o);

void info_end(struct sc_client *client);  /* at the end of the client's thread */
void info_free(struct sc_client *client); /* after it, before the loop */

#endif
