/* data_server.c - see data_server.h. */
#include "worker/data_server.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/server.h"
#include "worker/share.h"

#define PART_BYTES	 ((uint64_t)1024 * 1024)
#define RAW_BYTES	 ((uint64_t)64 * 1024 * 1024) /* sent as they are, behind a frame, at a time */
#define RAW_MIN_BYTES	 ((uint64_t)64 * 1024)	      /* fewer are not worth opening the file for it */
#define SMALL_PART_BYTES ((uint64_t)32 * 1024)	      /* for a peer that accepts only small frames */
#define OUTPUT_SOFT	 ((uint64_t)8 * 1024 * 1024)  /* unread by a peer: its further requests wait */

struct data_peer {
	TAILQ_ENTRY(data_peer) link;
	struct data_server *server;
	struct conn *conn;
};

struct data_server {
	struct loop *loop;
	struct store *store;
	const struct spool *spool;
	const struct options *options;
	struct server *server;
	char secret[129];
	char address[ADDRESS_MAX];
	TAILQ_HEAD(, data_peer) peers;
	uint8_t *part; /* room for one */
	uint64_t part_bytes;
	uint64_t sent_bytes;
};

static uint64_t smaller(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static sc_err on_peer(struct conn *c, const char *role, const struct msg_hello *hello, void *arg);
static sc_err peer_message(struct conn *c, const struct msg *m, void *arg);
static void peer_closed(struct conn *c, sc_err why, const char *text, void *arg);

static const struct conn_handlers peer_handlers = {NULL, peer_message, peer_closed};

static const char *secret_of(const char *role, void *arg)
{
	const struct data_server *d = arg;

	return strcmp(role, ROLE_PEER) == 0 && d->secret[0] != '\0' ? d->secret : NULL;
}

sc_err data_server_new(struct loop *l, struct store *s, const struct spool *spool, const struct options *o,
		       struct data_server **out)
{
	struct data_server *d = mem_calloc(1, sizeof(*d));
	struct server_config config = {
		.module = "data",
		.rules = {secret_of, d, "", "", (uint32_t)o->net_max_frame, (size_t)o->net_compress_min},
		.limits = {(uint32_t)o->net_max_frame, (size_t)smaller(o->net_output_limit, OUTPUT_SOFT),
			   (size_t)o->net_output_hard_limit},
		.hello_timeout_us = o->net_hello_timeout,
		.max_connections = (size_t)o->net_max_connections,
		.on_peer = on_peer,
		.arg = d,
	};

	if (d == NULL)
		return SC_NOMEM;
	d->loop = l;
	d->store = s;
	d->spool = spool;
	d->options = o;
	TAILQ_INIT(&d->peers);
	d->part_bytes = smaller(PART_BYTES, smaller(o->net_max_frame, o->net_output_hard_limit) / 2);
	d->part = mem_malloc((size_t)d->part_bytes);
	if (d->part == NULL || server_new(l, &config, &d->server) != SC_OK) {
		data_server_free(d);
		return SC_NOMEM;
	}
	*out = d;
	return SC_OK;
}

void data_server_set_secret(struct data_server *d, const char *secret)
{
	snprintf(d->secret, sizeof(d->secret), "%s", secret);
}

const char *data_server_address(const struct data_server *d)
{
	return d->address;
}

uint64_t data_server_sent_bytes(const struct data_server *d)
{
	return d->sent_bytes;
}

/* ---- where to listen ------------------------------------------------------------------------------------------ */

/* HOST:0 of a socket's own address, whatever its port. */
static void any_port_of(int fd, char *out, size_t cap)
{
	char *colon;

	address_of_socket(fd, out, cap);
	colon = strrchr(out, ':');
	if (colon != NULL)
		snprintf(colon, cap - (size_t)(colon - out), ":0");
}

static int is_unix(const char *address)
{
	return strncmp(address, "unix:", 5) == 0;
}

/* What listens everywhere is reached where the scheduler is reached from. */
static void make_reachable(char address[ADDRESS_MAX], int scheduler_fd)
{
	static const char *const everywhere[] = {"tcp://0.0.0.0:", "tcp://[::]:"};
	char own[ADDRESS_MAX];
	const char *port = strrchr(address, ':');
	char *colon;

	for (size_t i = 0; i < sizeof(everywhere) / sizeof(everywhere[0]); i++) {
		if (strncmp(address, everywhere[i], strlen(everywhere[i])) != 0)
			continue;
		any_port_of(scheduler_fd, own, sizeof(own));
		if (is_unix(own))
			snprintf(own, sizeof(own), "tcp://127.0.0.1:0");
		colon = strrchr(own, ':');
		snprintf(colon, sizeof(own) - (size_t)(colon - own), "%s", port);
		memcpy(address, own, sizeof(own));
		return;
	}
}

/* A socket in the spool goes when somebody removes the spool. */
static int is_removed(const char *address)
{
	return is_unix(address) && access(address + strlen("unix://"), F_OK) != 0 && errno == ENOENT;
}

sc_err data_server_listen(struct data_server *d, int scheduler_fd, struct buf *error)
{
	char address[SPOOL_PATH_MAX + 32];
	sc_err err;

	if (d->address[0] != '\0' && !is_removed(d->address))
		return SC_OK;
	if (d->options->worker_data_listen[0] != '\0') {
		snprintf(address, sizeof(address), "%s", d->options->worker_data_listen);
	} else {
		any_port_of(scheduler_fd, address, sizeof(address));
		if (is_unix(address))
			snprintf(address, sizeof(address), "unix://%s/data.sock", d->spool->dir);
	}
	errno = 0;
	err = server_listen(d->server, address, d->address, sizeof(d->address));
	if (err == SC_INVALID && is_unix(address) && d->options->worker_data_listen[0] == '\0') {
		/* the spool's path is too long for a socket; what is on this machine is reached like this as well */
		snprintf(address, sizeof(address), "tcp://127.0.0.1:0");
		err = server_listen(d->server, address, d->address, sizeof(d->address));
	}
	if (err != SC_OK) {
		d->address[0] = '\0';
		buf_printf(error, "cannot listen for data on %s (worker.data-listen): %s%s%s", address,
			   sc_err_text(err), errno != 0 ? ": " : "", errno != 0 ? strerror(errno) : "");
		return err;
	}
	make_reachable(d->address, scheduler_fd);
	return SC_OK;
}

/* ---- peers ---------------------------------------------------------------------------------------------------- */

static sc_err on_peer(struct conn *c, const char *role, const struct msg_hello *hello, void *arg)
{
	struct data_server *d = arg;
	struct data_peer *p = mem_calloc(1, sizeof(*p));

	(void)role;
	(void)hello;
	if (p == NULL)
		return SC_NOMEM;
	p->server = d;
	p->conn = c;
	TAILQ_INSERT_TAIL(&d->peers, p, link);
	conn_set_handlers(c, &peer_handlers, p);
	return SC_OK;
}

static void peer_free(struct data_peer *p)
{
	TAILQ_REMOVE(&p->server->peers, p, link);
	mem_free(p);
}

static void peer_closed(struct conn *c, sc_err why, const char *text, void *arg)
{
	struct data_peer *p = arg;

	if (why != SC_CLOSED && why != SC_OK)
		log_warn("data", "closed", "peer=%s error=%s reason=%s", conn_peer(c), sc_err_name(why),
			 log_quote(text));
	server_left(p->server->server);
	peer_free(p);
}

void data_server_free(struct data_server *d)
{
	struct data_peer *p;

	if (d == NULL)
		return;
	while ((p = TAILQ_FIRST(&d->peers)) != NULL) {
		static const struct conn_handlers nobody = {NULL, peer_message, NULL};

		conn_set_handlers(p->conn, &nobody, NULL);
		conn_close(p->conn, SC_SHUTDOWN, NULL);
		peer_free(p);
	}
	server_free(d->server);
	mem_free(d->part);
	mem_free(d);
}

/* ---- answers -------------------------------------------------------------------------------------------------- */

static void not_held(struct data_peer *p, const struct msg_data_get *get, const char *why)
{
	conn_send_error(p->conn, get->request, SC_NOT_FOUND, "the %s of task %" PRIu64 " of job %" PRIu64 " %s",
			get->stream == STREAM_RESULT ? "result" : "standard error", get->task, get->job, why);
}

/* What is in a file goes from there to the socket; 0: it has to be read after all. */
static int answer_raw(struct data_peer *p, const struct msg_data_get *get, const struct blob *b)
{
	struct msg_data_raw m = {.request = get->request, .total_bytes = b->bytes, .offset = get->offset};
	struct stat st;
	int fd;

	if (get->raw == 0 || (b->place != BLOB_FILE && b->place != BLOB_FOREIGN) || get->offset >= b->bytes)
		return 0;
	m.n_bytes = smaller(smaller(get->max_bytes, RAW_BYTES), b->bytes - get->offset);
	if (m.n_bytes < RAW_MIN_BYTES)
		return 0;
	fd = open(b->at, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return 0;
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size < get->offset + m.n_bytes ||
	    conn_send_file(p->conn, MSG_data_raw, &m, fd, get->offset, m.n_bytes) != SC_OK) {
		close(fd);
		return 0;
	}
	p->server->sent_bytes += m.n_bytes;
	return 1;
}

/* Who is on this machine takes a file as it is; 0: it has to be sent. */
static int answer_link(struct data_peer *p, const struct msg_data_get *get, const struct blob *b)
{
	const struct data_server *d = p->server;
	struct msg_data_link m = {.request = get->request};

	return get->link != 0 && strcmp(d->options->worker_share_files, "yes") == 0 && conn_is_local(p->conn) &&
	       b->bytes >= RAW_MIN_BYTES && share_give(d->spool, b, &m) == SC_OK &&
	       conn_send(p->conn, MSG_data_link, &m) == SC_OK;
}

static void answer(struct data_peer *p, const struct msg_data_get *get)
{
	struct data_server *d = p->server;
	const struct result *r = store_get(d->store, get->job, (uint32_t)get->task);
	const struct blob *b = r == NULL ? NULL : &r->stream[get->stream];
	struct msg_data_part m = {.request = get->request, .offset = get->offset};
	uint64_t n = smaller(get->max_bytes, d->part_bytes);
	ssize_t got;

	if (b == NULL) {
		not_held(p, get, "is not held here");
		return;
	}
	if (answer_link(p, get, b) || answer_raw(p, get, b))
		return;
	got = blob_read(b, get->offset, d->part, (size_t)n);
	if (got < 0 || (got == 0 && n > 0 && get->offset < b->bytes)) {
		not_held(p, get, got < 0 ? strerror(errno) : "has become shorter");
		return;
	}
	m.total_bytes = b->bytes;
	m.bytes = (struct slice){(const char *)d->part, (size_t)got};
	if (conn_send(p->conn, MSG_data_part, &m) == SC_TOO_BIG && (uint64_t)got > SMALL_PART_BYTES) {
		m.bytes.n = (size_t)SMALL_PART_BYTES;
		conn_send(p->conn, MSG_data_part, &m);
	}
	d->sent_bytes += m.bytes.n;
}

static sc_err peer_message(struct conn *c, const struct msg *m, void *arg)
{
	struct data_peer *p = arg;

	if (p == NULL)
		return SC_OK; /* it is being closed */
	if (m->type == MSG_ping) {
		conn_send(c, MSG_pong, &(struct msg_pong){m->u.ping.nonce});
		return SC_OK;
	}
	if (m->type != MSG_data_get)
		return conn_fail(c, SC_UNEXPECTED, "%s is not for a data port", msg_name(m->type));
	answer(p, &m->u.data_get);
	return SC_OK;
}
