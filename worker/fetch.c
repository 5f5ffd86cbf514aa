/*
 * fetch.c - see fetch.h.
 *
 * A fetch is one input, on its way or here, wanted by one or more tasks.  On its way it belongs to the peer (the
 * holder) it comes from.  Parts are asked for in advance, so that the wire is not idle for a round trip.  Requests
 * carry the number of their fetch: an answer to one that was given up meanwhile finds nobody and is dropped.
 *
 * A large input goes into a file without passing through our memory: the holder sends the bytes behind a frame, the
 * connection moves them (conn_receive_file) and tells the peer how many have come.  From a holder on this machine it
 * is not even that: it names its file, which gets a second name here (worker/share.h).
 */
#include "worker/fetch.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/address.h"
#include "net/handshake.h"
#include "worker/share.h"

#define PART_BYTES     ((uint64_t)1024 * 1024)
#define PARTS_AHEAD    4u
#define RAW_BYTES      ((uint64_t)64 * 1024 * 1024) /* asked for at a time of what goes into a file */
#define RAW_AHEAD      2u
#define SLOW_SHARE     4u /* of the timeout: then another holder is tried, if there is one */
#define IDLE_PEERS_MAX 16u
#define PEER_IDLE_US   ((uint64_t)30 * US_PER_S)

TAILQ_HEAD(input_list, input);

struct peer;

enum fetch_phase { PHASE_WAITING, PHASE_ASKED, PHASE_HERE };

struct input_fetch {
	UT_hash_handle hh; /* by key */
	struct task_key key;
	UT_hash_handle hh_id; /* by id, while asked for */
	uint64_t id;
	struct fetcher *fetcher;
	enum fetch_phase phase;
	unsigned users; /* inputs of tasks that refer to it */
	struct input_list wanted_by;
	const char *holder;	       /* while waiting: who will be asked; borrowed from an input in wanted_by */
	int for_mover;		       /* the mover wants it, too: it will say what becomes of it */
	TAILQ_ENTRY(input_fetch) link; /* in the fetcher's waiting or the peer's asked */
	struct peer *peer;
	uint64_t total_bytes; /* at first as the scheduler has it, then as the holder says */
	uint64_t part_bytes;  /* to ask for at a time: no more than the holder sends */
	uint64_t asked_bytes;
	uint64_t got_bytes;
	int has_total; /* the holder said it */
	int asks_link; /* an answer to that is to come before anything else is asked for */
	struct buf memory;
	int fd; /* of the file of a large one; -1: none */
	char *path;
	struct result *result; /* once it is here */
};

TAILQ_HEAD(fetch_list, input_fetch);

struct peer {
	UT_hash_handle hh;
	struct fetcher *fetcher;
	char address[ADDRESS_MAX];
	struct conn *conn;
	int is_welcome;
	int no_links;	   /* a file it named was not to be had */
	uint64_t raw_id;   /* the fetch whose bytes come as they are; 0: none */
	uint64_t heard_us; /* when it was heard of last */
	struct fetch_list asked;
	struct deadline silence; /* of a holder; or idleness, when it is asked for nothing */
};

struct fetcher {
	struct loop *loop;
	struct deadlines *deadlines;
	struct store *store;
	struct spool *spool;
	struct fetch_config config;
	char secret[129];
	char own_address[ADDRESS_MAX];
	struct input_fetch *by_key;
	struct input_fetch *by_id;
	struct peer *peers;
	struct fetch_list waiting;
	size_t n_asked;
	uint64_t last_id;
	uint64_t received_bytes;
	uint64_t busy_us, busy_since_us; /* when anything was asked for; since when it has been, 0: nothing is */
};

static void ask_waiting(struct fetcher *f);
static struct input_fetch *by_id(struct fetcher *f, uint64_t id);
static sc_err peer_message(struct conn *c, const struct msg *m, void *arg);
static void peer_connected(struct conn *c, void *arg);
static void peer_closed(struct conn *c, sc_err why, const char *text, void *arg);
static void on_silence(void *arg);

static const struct conn_handlers peer_handlers = {peer_connected, peer_message, peer_closed};

sc_err fetcher_new(struct loop *l, struct deadlines *d, struct store *s, struct spool *spool,
		   const struct fetch_config *config, struct fetcher **out)
{
	struct fetcher *f = mem_calloc(1, sizeof(*f));

	if (f == NULL)
		return SC_NOMEM;
	f->loop = l;
	f->deadlines = d;
	f->store = s;
	f->spool = spool;
	f->config = *config;
	TAILQ_INIT(&f->waiting);
	*out = f;
	return SC_OK;
}

void fetcher_identify(struct fetcher *f, const char *secret, const char *own_address)
{
	snprintf(f->secret, sizeof(f->secret), "%s", secret);
	snprintf(f->own_address, sizeof(f->own_address), "%s", own_address);
}

uint64_t fetcher_received_bytes(const struct fetcher *f)
{
	return f->received_bytes;
}

uint64_t fetcher_busy_us(const struct fetcher *f)
{
	return f->busy_us + (f->busy_since_us != 0 ? clock_monotonic_us() - f->busy_since_us : 0);
}

/* One more, or one less, is on its way. */
static void count_asked(struct fetcher *f, int more)
{
	if (more && f->n_asked++ == 0)
		f->busy_since_us = clock_monotonic_us();
	if (more || --f->n_asked > 0)
		return;
	f->busy_us += clock_monotonic_us() - f->busy_since_us;
	f->busy_since_us = 0;
}

/* The key of an input: standard error is another one than the result. */
#define STREAM_SHIFT 32u

static struct task_key key_of(const struct input *in)
{
	return (struct task_key){in->job, in->number | (uint64_t)in->stream << STREAM_SHIFT};
}

static uint64_t task_of(const struct input_fetch *x)
{
	return x->key.task & UINT32_MAX;
}

static unsigned stream_of(const struct input_fetch *x)
{
	return (unsigned)(x->key.task >> STREAM_SHIFT);
}

/* ---- life of a fetch ------------------------------------------------------------------------------------------ */

static sc_err fetch_new(struct fetcher *f, const struct task_key *key, uint64_t bytes, struct input_fetch **out)
{
	struct input_fetch *x = mem_calloc(1, sizeof(*x));

	if (x == NULL)
		return SC_NOMEM;
	x->key = *key;
	x->fetcher = f;
	x->fd = -1;
	x->total_bytes = bytes;
	x->part_bytes = PART_BYTES;
	x->id = ++f->last_id;
	TAILQ_INIT(&x->wanted_by);
	buf_init(&x->memory, 0);
	HASH_ADD(hh, f->by_key, key, sizeof(x->key), x);
	if (!table_has_added(x)) {
		mem_free(x);
		return SC_NOMEM;
	}
	TAILQ_INSERT_TAIL(&f->waiting, x, link);
	*out = x;
	return SC_OK;
}

static void peer_rest(struct peer *p);

/* It is not on its way any more. */
static void leave_peer(struct input_fetch *x)
{
	struct fetcher *f = x->fetcher;

	if (x->peer->conn != NULL && x->peer->raw_id == x->id)
		conn_forget_file(x->peer->conn); /* or it would go on writing where another holder's bytes go */
	TAILQ_REMOVE(&x->peer->asked, x, link);
	HASH_DELETE(hh_id, f->by_id, x);
	count_asked(f, 0);
	if (TAILQ_EMPTY(&x->peer->asked))
		peer_rest(x->peer);
	x->peer = NULL;
}

/* Nobody refers to it. */
static void fetch_free(struct input_fetch *x)
{
	if (x->phase == PHASE_WAITING)
		TAILQ_REMOVE(&x->fetcher->waiting, x, link);
	else if (x->phase == PHASE_ASKED)
		leave_peer(x);
	HASH_DEL(x->fetcher->by_key, x);
	result_unref(x->result);
	buf_fini(&x->memory);
	if (x->fd >= 0)
		close(x->fd);
	if (x->path != NULL)
		unlink(x->path);
	mem_free(x->path);
	mem_free(x);
}

/* It came, or it did not, which was our own problem (an errno) or the holder's (0): tell all who want it. */
static void settle(struct input_fetch *x, int failed, int problem)
{
	struct fetcher *f = x->fetcher;
	struct input *in;

	while ((in = TAILQ_FIRST(&x->wanted_by)) != NULL) {
		TAILQ_REMOVE(&x->wanted_by, in, waiting);
		if (failed) {
			in->fetch = NULL;
			in->failed = 1;
			in->problem = problem;
			x->users--;
		} else {
			in->result = result_ref(x->result);
		}
		f->config.settled(in, f->config.arg);
	}
	if (failed)
		fetch_free(x);
	loop_wake(f->loop); /* this may be the end of a turn, after tasks were started */
}

/* A holder nobody has found without it yet; NULL: there is none left. */
static const char *next_holder(const struct input_fetch *x)
{
	const struct input *in;

	TAILQ_FOREACH (in, &x->wanted_by, waiting)
		for (unsigned k = 0; k < in->n_holders; k++)
			if ((in->tried & 1u << k) == 0)
				return in->holders[k];
	return NULL;
}

/* It is not to be had from there: go on with another holder, from where it was; 0: there is none. */
static int move_on(struct input_fetch *x)
{
	const char *from = x->peer != NULL ? x->peer->address : x->holder, *to;
	struct fetcher *f = x->fetcher;
	struct input *in;

	TAILQ_FOREACH (in, &x->wanted_by, waiting)
		for (unsigned k = 0; k < in->n_holders; k++)
			if (strcmp(in->holders[k], from) == 0)
				in->tried |= (uint8_t)(1u << k);
	to = next_holder(x);
	if (to == NULL)
		return 0;
	if (x->peer != NULL) {
		leave_peer(x);
		TAILQ_INSERT_HEAD(&f->waiting, x, link);
	}
	x->phase = PHASE_WAITING;
	x->holder = to;
	x->asked_bytes = x->got_bytes;
	x->part_bytes = PART_BYTES;
	x->asks_link = 0;
	x->id = ++f->last_id;
	loop_wake(f->loop); /* this may be the end of a turn */
	return 1;
}

static void fetch_failed(struct input_fetch *x, int problem, const char *why)
{
	log_info("fetch", "failed", "job=%" PRIu64 " task=%" PRIu64 " holder=%s bytes=%" PRIu64 " reason=%s",
		 x->key.job, task_of(x), x->peer != NULL ? x->peer->address : x->holder, x->got_bytes, log_quote(why));
	if (problem != 0 || !move_on(x))
		settle(x, 1, problem);
}

/* What fails here would fail with a result computed anew as well. */
static void fetch_error(struct input_fetch *x, sc_err err)
{
	int problem = err == SC_IO ? errno : err == SC_NOMEM ? ENOMEM : 0;

	fetch_failed(x, problem, problem != 0 ? strerror(problem) : sc_err_text(err));
}

/* ---- peers ---------------------------------------------------------------------------------------------------- */

/* Nobody will hear of this connection any more. */
static sc_err ignore_message(struct conn *c, const struct msg *m, void *arg)
{
	(void)c;
	(void)m;
	(void)arg;
	return SC_OK;
}

static void peer_free(struct peer *p)
{
	static const struct conn_handlers nobody = {NULL, ignore_message, NULL};

	deadline_clear(p->fetcher->deadlines, &p->silence);
	if (p->conn != NULL) {
		conn_set_handlers(p->conn, &nobody, NULL);
		conn_close(p->conn, SC_OK, NULL);
	}
	HASH_DEL(p->fetcher->peers, p);
	mem_free(p);
}

static void peer_lost(struct peer *p, const char *why)
{
	struct fetcher *f = p->fetcher;
	struct input_fetch *x;
	char address[ADDRESS_MAX];

	memcpy(address, p->address, sizeof(address));
	while ((x = TAILQ_FIRST(&p->asked)) != NULL)
		fetch_failed(x, 0, why);
	peer_free(p);
	ask_waiting(f);
}

/* Asked for nothing: keep the connection for a while, if there are not too many of these. */
static void peer_rest(struct peer *p)
{
	if (deadline_set(p->fetcher->deadlines, &p->silence, loop_now_us(p->fetcher->loop) + PEER_IDLE_US) != SC_OK)
		deadline_clear(p->fetcher->deadlines, &p->silence);
}

/*
 * Not of every message: only what brings a fetch further counts, or a holder could keep it waiting for ever with
 * answers nobody has asked for.
 */
static void peer_heard(struct peer *p)
{
	p->heard_us = loop_now_us(p->fetcher->loop);
	if (!TAILQ_EMPTY(&p->asked))
		deadline_set(p->fetcher->deadlines, &p->silence,
			     p->heard_us + p->fetcher->config.timeout_us / SLOW_SHARE);
}

/* What others have as well is asked for there; the rest goes on waiting. */
static void leave_slow(struct peer *p)
{
	struct input_fetch *x = TAILQ_FIRST(&p->asked), *next;

	for (; x != NULL; x = next) {
		next = TAILQ_NEXT(x, link);
		if (move_on(x))
			log_info("fetch", "slow", "job=%" PRIu64 " task=%" PRIu64 " holder=%s next=%s", x->key.job,
				 task_of(x), p->address, x->holder);
	}
}

static void on_silence(void *arg)
{
	struct peer *p = arg;
	struct fetcher *f = p->fetcher;
	uint64_t given_up_us = p->heard_us + f->config.timeout_us;

	if (TAILQ_EMPTY(&p->asked)) {
		peer_free(p);
		return;
	}
	if (loop_now_us(f->loop) >= given_up_us) {
		peer_lost(p, "the holder sent nothing for worker.fetch-timeout");
		return;
	}
	leave_slow(p);
	if (!TAILQ_EMPTY(&p->asked))
		deadline_set(f->deadlines, &p->silence, given_up_us);
}

/* Connections nobody uses make room when there are many. */
static void close_idle_peers(struct fetcher *f)
{
	struct peer *p, *next;

	if (HASH_COUNT(f->peers) <= IDLE_PEERS_MAX)
		return;
	HASH_ITER (hh, f->peers, p, next) {
		if (TAILQ_EMPTY(&p->asked))
			peer_free(p);
	}
}

static sc_err get_peer(struct fetcher *f, const char *address, struct peer **out)
{
	struct peer *p;
	sc_err err;

	HASH_FIND_STR(f->peers, address, p);
	*out = p;
	if (p != NULL)
		return SC_OK;
	close_idle_peers(f);
	p = mem_calloc(1, sizeof(*p));
	if (p == NULL)
		return SC_NOMEM;
	snprintf(p->address, sizeof(p->address), "%s", address);
	p->fetcher = f;
	p->silence.fn = on_silence;
	p->silence.arg = p;
	TAILQ_INIT(&p->asked);
	HASH_ADD_STR(f->peers, address, p);
	if (!table_has_added(p)) {
		mem_free(p);
		return SC_NOMEM;
	}
	peer_rest(p);
	err = conn_connect(f->loop, address, &f->config.limits, &peer_handlers, p, &p->conn);
	if (err != SC_OK)
		peer_free(p);
	else
		*out = p;
	return err;
}

static void peer_connected(struct conn *c, void *arg)
{
	struct peer *p = arg;

	handshake_hello(c, ROLE_PEER, p->fetcher->secret, "sched-worker " SCHED_VERSION);
}

static void peer_closed(struct conn *c, sc_err why, const char *text, void *arg)
{
	struct peer *p = arg;

	(void)c;
	p->conn = NULL;
	peer_lost(p, text != NULL && *text != '\0' ? text : sc_err_text(why));
}

/* ---- asking --------------------------------------------------------------------------------------------------- */

/* Whether the holder may name a file instead of sending it: then that is asked first, and nothing in advance. */
static int may_link(const struct input_fetch *x)
{
	return x->fetcher->config.share_files && x->asked_bytes == 0 && !x->has_total && !x->peer->no_links &&
	       conn_is_local(x->peer->conn);
}

static void ask_parts(struct input_fetch *x)
{
	/* what a holder sends as it is goes into a file: not before it is known that this one does */
	int raw = x->total_bytes > x->fetcher->config.memory_bytes;
	unsigned ahead = x->part_bytes > PART_BYTES ? RAW_AHEAD : PARTS_AHEAD;

	if (raw && may_link(x))
		x->asks_link = 1;
	else if (x->asks_link)
		return;
	while (x->asked_bytes < x->total_bytes && x->asked_bytes - x->got_bytes < ahead * x->part_bytes) {
		struct msg_data_get m = {
			.request = x->id,
			.job = x->key.job,
			.task = task_of(x),
			.stream = stream_of(x),
			.offset = x->asked_bytes,
			.max_bytes = x->part_bytes,
			.raw = (uint64_t)raw,
			.link = (uint64_t)x->asks_link,
		};

		if (conn_send(x->peer->conn, MSG_data_get, &m) != SC_OK)
			return; /* it is closing, which will be heard of */
		x->asked_bytes += x->part_bytes;
		if (x->asked_bytes > x->total_bytes)
			x->asked_bytes = x->total_bytes;
		if (x->asks_link)
			return;
	}
}

static sc_err ask(struct fetcher *f, struct input_fetch *x)
{
	struct peer *p;
	sc_err err = get_peer(f, x->holder, &p);

	if (err != SC_OK)
		return err;
	HASH_ADD(hh_id, f->by_id, id, sizeof(x->id), x);
	if (x->hh_id.tbl == NULL)
		return SC_NOMEM;
	TAILQ_REMOVE(&f->waiting, x, link);
	TAILQ_INSERT_TAIL(&p->asked, x, link);
	x->phase = PHASE_ASKED;
	x->peer = p;
	count_asked(f, 1);
	peer_heard(p);
	if (p->is_welcome)
		ask_parts(x);
	return SC_OK;
}

static void ask_waiting(struct fetcher *f)
{
	struct input_fetch *x;
	sc_err err;

	while (f->n_asked < f->config.parallel && (x = TAILQ_FIRST(&f->waiting)) != NULL) {
		err = ask(f, x);
		if (err != SC_OK)
			fetch_error(x, err);
	}
}

/* ---- receiving ------------------------------------------------------------------------------------------------ */

/* The first part tells the size, and so where to put it. */
static sc_err begin(struct input_fetch *x, uint64_t total_bytes)
{
	char path[SPOOL_PATH_MAX];

	x->has_total = 1;
	x->asks_link = 0;
	x->total_bytes = total_bytes;
	if (total_bytes <= x->fetcher->config.memory_bytes)
		return SC_OK;
	spool_path(x->fetcher->spool, "input", path);
	x->path = mem_strdup(path);
	if (x->path == NULL)
		return SC_NOMEM;
	x->fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	return x->fd < 0 ? SC_IO : SC_OK;
}

static sc_err put(struct input_fetch *x, struct slice bytes)
{
	uint64_t at = x->got_bytes;

	if (x->fd < 0) {
		buf_append(&x->memory, bytes.p, bytes.n);
		return buf_err(&x->memory);
	}
	while (bytes.n > 0) {
		ssize_t n = pwrite(x->fd, bytes.p, bytes.n, (off_t)at);

		if (n < 0 && errno != EINTR)
			return SC_IO;
		if (n > 0) {
			bytes.p += n;
			bytes.n -= (size_t)n;
			at += (uint64_t)n;
		}
	}
	return SC_OK;
}

static sc_err make_result(struct input_fetch *x)
{
	sc_err err = result_new(x->fetcher->store, &x->result);

	if (err != SC_OK)
		return err;
	if (x->path == NULL)
		return result_take_buf(x->result, (enum stream)stream_of(x), &x->memory);
	if (x->fd >= 0)
		close(x->fd);
	x->fd = -1;
	err = result_take_file(x->result, (enum stream)stream_of(x), BLOB_FILE, x->path, x->total_bytes);
	mem_free(x->path);
	x->path = NULL;
	return err;
}

static void fetch_complete(struct input_fetch *x)
{
	sc_err err = make_result(x);

	if (err != SC_OK) {
		fetch_error(x, err);
		return;
	}
	leave_peer(x);
	x->phase = PHASE_HERE;
	if (!x->for_mover && x->fetcher->config.arrived != NULL)
		x->fetcher->config.arrived(x->key.job, (uint32_t)task_of(x), x->result, x->fetcher->config.arg);
	settle(x, 0, 0);
}

static void count_received(struct input_fetch *x, uint64_t n)
{
	x->got_bytes += n;
	x->fetcher->received_bytes += n;
	if (n > 0)
		peer_heard(x->peer);
}

/* Bytes of x have been written to its file. */
static void raw_got(struct conn *c, uint64_t n_bytes, sc_err err, void *arg)
{
	struct peer *p = arg;
	struct input_fetch *x = by_id(p->fetcher, p->raw_id);

	(void)c;
	if (x == NULL || x->peer != p) { /* given up meanwhile; the others' bytes come behind what was asked for */
		if (n_bytes > 0)
			peer_heard(p);
		return;
	}
	if (err != SC_OK) {
		fetch_error(x, err);
		return;
	}
	count_received(x, n_bytes);
	if (x->got_bytes == x->total_bytes)
		fetch_complete(x);
	else
		ask_parts(x);
}

/* The bytes of a part come behind this message. */
static sc_err take_raw(struct peer *p, const struct msg_data_raw *m)
{
	struct input_fetch *x = by_id(p->fetcher, m->request);
	int fd = -1, is_next;
	sc_err err = SC_OK;

	p->raw_id = 0;
	if (x != NULL && x->peer == p) {
		if (!x->has_total)
			err = begin(x, m->total_bytes);
		else if (m->total_bytes != x->total_bytes)
			err = SC_MALFORMED;
		is_next = m->offset == x->got_bytes; /* else it answers a request that was repeated */
		if (err == SC_OK && is_next &&
		    (m->n_bytes == 0 || m->n_bytes > x->total_bytes - x->got_bytes || x->fd < 0))
			err = SC_MALFORMED;
		if (err != SC_OK) {
			fetch_error(x, err);
		} else if (is_next) {
			fd = x->fd;
			p->raw_id = x->id;
			x->part_bytes = RAW_BYTES;
		}
	}
	if (fd >= 0)
		return conn_receive_file(p->conn, fd, m->offset, m->n_bytes, raw_got);
	return conn_skip(p->conn, m->n_bytes);
}

/* The holder's file gets a name of ours; where that does not work, the bytes are asked for. */
static void take_link(struct input_fetch *x, const struct msg_data_link *m)
{
	char path[SPOOL_PATH_MAX];
	sc_err err;

	if (!x->asks_link)
		return; /* nobody asked */
	x->asks_link = 0;
	peer_heard(x->peer);
	err = share_take(x->fetcher->spool, m, path);
	if (err == SC_OK) {
		x->path = mem_strdup(path);
		if (x->path == NULL) {
			unlink(path);
			fetch_error(x, SC_NOMEM);
			return;
		}
		x->total_bytes = x->got_bytes = m->total_bytes;
		x->has_total = 1;
		fetch_complete(x);
		return;
	}
	log_debug("fetch", "not-linked", "holder=%s error=%s", x->peer->address, sc_err_name(err));
	x->peer->no_links = 1;
	x->asked_bytes = 0;
	ask_parts(x);
}

static void take_part(struct input_fetch *x, const struct msg_data_part *m)
{
	sc_err err = SC_OK;
	int is_short;

	if (!x->has_total)
		err = begin(x, m->total_bytes);
	else if (m->total_bytes != x->total_bytes)
		err = SC_MALFORMED;
	if (err == SC_OK && m->offset != x->got_bytes)
		return; /* it answers a request that was repeated */
	if (err == SC_OK && (m->bytes.n > x->total_bytes - x->got_bytes || (m->bytes.n == 0 && x->total_bytes > 0)))
		err = SC_MALFORMED;
	if (err == SC_OK)
		err = put(x, m->bytes);
	if (err != SC_OK) {
		fetch_error(x, err);
		return;
	}
	is_short = m->bytes.n < x->part_bytes;
	count_received(x, m->bytes.n);
	if (x->got_bytes == x->total_bytes) {
		fetch_complete(x);
		return;
	}
	if (is_short) { /* what was asked for after it does not fit any more */
		x->part_bytes = m->bytes.n;
		x->asked_bytes = x->got_bytes;
	}
	ask_parts(x);
}

static struct input_fetch *by_id(struct fetcher *f, uint64_t id)
{
	struct input_fetch *x;

	HASH_FIND(hh_id, f->by_id, &id, sizeof(id), x);
	return x;
}

static sc_err peer_welcomed(struct peer *p, struct conn *c, const struct msg *m)
{
	char text[256];
	sc_err err = handshake_welcomed(c, m, p->fetcher->config.compress_min_bytes, text, sizeof(text));
	struct input_fetch *x;

	if (err != SC_OK) {
		conn_close(c, err, text);
		return SC_OK;
	}
	p->is_welcome = 1;
	peer_heard(p);
	TAILQ_FOREACH (x, &p->asked, link) {
		ask_parts(x);
	}
	return SC_OK;
}

static sc_err peer_message(struct conn *c, const struct msg *m, void *arg)
{
	struct peer *p = arg;
	struct fetcher *f = p->fetcher;
	struct input_fetch *x;

	if (!p->is_welcome)
		return peer_welcomed(p, c, m);
	if (m->type == MSG_data_part) {
		x = by_id(f, m->u.data_part.request);
		if (x != NULL && x->peer == p)
			take_part(x, &m->u.data_part);
	} else if (m->type == MSG_data_raw) {
		sc_err err = take_raw(p, &m->u.data_raw);

		if (err != SC_OK)
			return err;
	} else if (m->type == MSG_data_link) {
		x = by_id(f, m->u.data_link.request);
		if (x != NULL && x->peer == p)
			take_link(x, &m->u.data_link);
	} else if (m->type == MSG_error && m->u.error.request != 0) {
		x = by_id(f, m->u.error.request);
		if (x != NULL && x->peer == p)
			fetch_failed(x, 0, sc_err_text((sc_err)m->u.error.code));
	} else if (m->type == MSG_error) {
		conn_close(c, (sc_err)m->u.error.code, NULL);
	} else {
		return SC_UNEXPECTED;
	}
	ask_waiting(f);
	return SC_OK;
}

/* ---- wanting -------------------------------------------------------------------------------------------------- */

enum fetch_state fetcher_want(struct fetcher *f, struct input *in)
{
	struct task_key key = key_of(in);
	struct result *held;
	struct input_fetch *x;

	if (in->n_holders == 0 || in->bytes == 0)
		return FETCH_HERE;
	held = store_get(f->store, in->job, in->number);
	if (held != NULL && held->stream[in->stream].place != BLOB_EMPTY) {
		in->result = result_ref(held);
		return FETCH_HERE;
	}
	for (unsigned k = 0; k < in->n_holders; k++) /* what is said to be here is not */
		if (strcmp(in->holders[k], f->own_address) == 0)
			in->tried |= (uint8_t)(1u << k);
	if (in->tried + 1u == 1u << in->n_holders)
		return FETCH_FAILED;
	HASH_FIND(hh, f->by_key, &key, sizeof(key), x);
	if (x == NULL && fetch_new(f, &key, in->bytes, &x) != SC_OK) {
		in->problem = ENOMEM;
		return FETCH_FAILED;
	}
	in->fetch = x;
	x->users++;
	x->for_mover |= in->task == NULL;
	if (x->phase == PHASE_HERE) {
		in->result = result_ref(x->result);
		return FETCH_HERE;
	}
	TAILQ_INSERT_TAIL(&x->wanted_by, in, waiting);
	if (x->phase == PHASE_WAITING && x->users == 1)
		x->holder = next_holder(x);
	return FETCH_COMING;
}

void fetcher_turn(struct fetcher *f)
{
	ask_waiting(f);
}

void fetcher_forget(struct fetcher *f, struct input *in)
{
	struct input_fetch *x = in->fetch;

	(void)f;
	result_unref(in->result);
	in->result = NULL;
	in->fetch = NULL;
	if (x == NULL)
		return;
	if (x->phase != PHASE_HERE)
		TAILQ_REMOVE(&x->wanted_by, in, waiting);
	if (--x->users == 0) {
		fetch_free(x);
	} else if (x->phase == PHASE_WAITING) { /* it may have been the one that named the holder */
		x->holder = next_holder(x);
		if (x->holder == NULL)
			settle(x, 1, 0);
	}
}

void fetcher_free(struct fetcher *f)
{
	struct peer *p, *next;

	if (f == NULL)
		return;
	HASH_ITER (hh, f->peers, p, next) {
		peer_free(p);
	}
	mem_free(f);
}
