/*
 * encoding.h - what changed between two epochs, as bytes, made once for all who need the same.
 *
 * An encoding is keyed by (from, sections, filter) and always leads to the current epoch; when the epoch advances the
 * table is emptied.  It is bounded as well: on a quiet cluster the next epoch may never come.  An encoding is counted:
 * connections that are still writing it keep it alive.
 *
 * A filter that nobody uses any more is kept for a while, and what was encoded with it, so that the same question asked
 * again finds both; the one unused for longest goes first.
 */
#ifndef SCHEDULER_INFO_ENCODING_H
#define SCHEDULER_INFO_ENCODING_H

#include "proto/column.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "scheduler/info/cluster.h"

#define INFO_ALL (INFO_SECTION_TOTALS | INFO_SECTION_MEMBERS | INFO_SECTION_METRICS)

#define INFO_LABELS_MAX	       16u
#define INFO_FILTERS_MAX       1024u /* distinct filters at the same time */
#define INFO_FILTERS_KEPT      64u   /* of those, such that nobody uses */
#define INFO_ENCODINGS_MAX     4096u /* in the table */
#define INFO_ENCODED_MAX_BYTES ((size_t)32 * 1024 * 1024)
#define INFO_LABEL_BYTES       1000u /* of each; every worker is compared with all of them */

/* Which workers a receiver wants to see.  Interned: equal filters are one.  Matching looks at what never changes. */
struct info_filter {
	char *text;			      /* canonical, the key; owned */
	char *namespace;		      /* "": any */
	char *pool;			      /* "": any */
	struct slice labels[INFO_LABELS_MAX]; /* owned */
	size_t n_labels;
	size_t n_users;
	uint64_t number;
	TAILQ_ENTRY(info_filter) unused;
	LIST_HEAD(, info_encoding) encodings; /* made with it, in the table */
	UT_hash_handle hh;
};

/* Counted with info_encoding_ref/unref, one thread. */
struct info_encoding {
	struct {
		uint64_t from;	 /* 0: everything */
		uint64_t filter; /* 0: none */
		uint32_t sections;
	} key;
	uint64_t to;
	size_t n_refs;
	uint8_t *bytes; /* an info_body, compressed when raw_bytes is not 0 */
	size_t n_bytes;
	uint64_t raw_bytes;
	LIST_ENTRY(info_encoding) of_filter;
	UT_hash_handle hh;
};

struct info_counts {
	uint64_t snapshots_encoded, deltas_encoded, cache_hits;
	uint64_t raw_bytes, encoded_bytes; /* of what was encoded */
};

struct info_encoder {
	struct info_cluster *cluster;
	struct info_encoding *table;
	size_t table_bytes;
	struct info_filter *filters;
	TAILQ_HEAD(, info_filter) unused; /* filters, unused for longest first */
	size_t n_unused;
	uint64_t next_filter;
	struct frame_codec codec;
	struct column_writer columns[16];
	struct slice *texts[7];
	size_t cap_texts[7], n_texts;
	int any_reserved;		  /* among them, a worker that is */
	const struct info_record **found; /* what is being encoded */
	size_t n_found, cap_found;
	struct info_counts counts;
};

/* c is borrowed.  Encodings that are still referenced outlive the encoder. */
void info_encoder_init(struct info_encoder *e, struct info_cluster *c);
void info_encoder_fini(struct info_encoder *e);

/* The epoch has advanced: what was encoded leads to the past. */
void info_encoder_new_epoch(struct info_encoder *e);

/*
 * Between epochs (nothing has changed since the last one): what changed since `from` (0, or an epoch whose changes are
 * forgotten: everything, and (*out)->key.from is 0). filter may be NULL.  *out has a reference for the caller.
 * SC_NOMEM, SC_TOO_BIG.
 */
sc_err info_encode(struct info_encoder *e, uint64_t from, uint32_t sections, struct info_filter *filter,
		   struct info_encoding **out);

/* The same if it is encoded already, also while the next epoch is in the making; NULL otherwise. */
struct info_encoding *info_encoded(struct info_encoder *e, uint64_t from, uint32_t sections,
				   const struct info_filter *filter);

void info_encoding_ref(struct info_encoding *x);
void info_encoding_unref(struct info_encoding *x);

/*
 * The filter for workers that jobs of a namespace may run on ("": any; else those reserved for it and those reserved
 * for none), of a pool ("": any) and with labels key=value, all of which a worker must have.  SC_INVALID: a label is
 * longer than INFO_LABEL_BYTES, or there are more than INFO_LABELS_MAX.  SC_LIMIT: there are INFO_FILTERS_MAX others.
 * SC_NOMEM.
 */
sc_err info_filter_take(struct info_encoder *e, struct slice namespace, struct slice pool, struct slices labels,
			struct info_filter **out);
void info_filter_keep(struct info_encoder *e, struct info_filter *f); /* one more user; NULL is fine */
void info_filter_drop(struct info_encoder *e, struct info_filter *f); /* NULL is fine */
int info_filter_matches(const struct info_filter *f, const struct info_record *r);

#endif
