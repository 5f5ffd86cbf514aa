/* http.c - see http.h.  What is told is a table, metrics.def. */
#include "scheduler/http.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/http.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/address.h"
#include "scheduler/metrics.h"

#define HTTP_TIMEOUT_S	  10
#define HTTP_HEADERS_MAX  8192
#define HTTP_BODY_MAX	  1024
#define METRICS_MEDIATYPE "text/plain; version=0.0.4; charset=utf-8"

struct http {
	struct scheduler *scheduler;
	struct evhttp *server;
};

/* Text exposition format 0.0.4: prometheus.io/docs/instrumenting/exposition_formats. */
static void write_metric(void *arg, const char *name, const char *type, const char *help, const char *state, int first,
			 uint64_t value)
{
	struct evbuffer *out = arg;

	if (first)
		evbuffer_add_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
	if (state != NULL)
		evbuffer_add_printf(out, "%s{state=\"%s\"} %" PRIu64 "\n", name, state, value);
	else
		evbuffer_add_printf(out, "%s %" PRIu64 "\n", name, value);
}

/* What this costs is not the cost of heartbeats. */
static void count_in(const struct http *h)
{
	h->scheduler->turn_shared = 1;
}

/* A connection was accepted. */
static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
	count_in(arg);
	return bufferevent_socket_new(base, -1, 0);
}

static void reply(struct evhttp_request *req, const char *type, struct evbuffer *body)
{
	evhttp_add_header(evhttp_request_get_output_headers(req), "Content-Type", type);
	evhttp_send_reply(req, HTTP_OK, "OK", body);
	evbuffer_free(body);
}

static void on_metrics(struct evhttp_request *req, void *arg)
{
	struct http *h = arg;
	struct evbuffer *body = evbuffer_new();

	count_in(h);
	if (body == NULL) {
		evhttp_send_error(req, HTTP_INTERNAL, NULL);
		return;
	}
	metrics_each(h->scheduler, write_metric, body);
	reply(req, METRICS_MEDIATYPE, body);
}

static void on_health(struct evhttp_request *req, void *arg)
{
	struct evbuffer *body = evbuffer_new();

	count_in(arg);
	if (body == NULL) {
		evhttp_send_error(req, HTTP_INTERNAL, NULL);
		return;
	}
	evbuffer_add_printf(body, "ok\n");
	reply(req, "text/plain", body);
}

static void on_other(struct evhttp_request *req, void *arg)
{
	count_in(arg);
	evhttp_send_error(req, HTTP_NOTFOUND, "there are /metrics and /healthz");
}

sc_err http_new(struct scheduler *s, const char *address, char *shown, size_t cap, struct http **out)
{
	char full[ADDRESS_MAX], socket_address[ADDRESS_MAX];
	struct http *h;
	struct address a;
	sc_err err;
	int fd;

	snprintf(full, sizeof(full), "tcp://%s", address);
	err = address_parse(full, &a);
	if (err == SC_OK)
		err = address_listen(&a, &fd);
	if (err != SC_OK)
		return err;
	h = mem_calloc(1, sizeof(*h));
	if (h != NULL)
		h->server = evhttp_new(loop_base(s->loop));
	if (h == NULL || h->server == NULL || evhttp_accept_socket(h->server, fd) != 0) {
		close(fd);
		http_free(h);
		return SC_NOMEM;
	}
	h->scheduler = s;
	evhttp_set_timeout(h->server, HTTP_TIMEOUT_S);
	evhttp_set_max_headers_size(h->server, HTTP_HEADERS_MAX);
	evhttp_set_max_body_size(h->server, HTTP_BODY_MAX);
	evhttp_set_allowed_methods(h->server, EVHTTP_REQ_GET | EVHTTP_REQ_HEAD);
	evhttp_set_bevcb(h->server, on_connection, h);
	evhttp_set_cb(h->server, "/metrics", on_metrics, h);
	evhttp_set_cb(h->server, "/healthz", on_health, h);
	evhttp_set_gencb(h->server, on_other, h);
	address_of_socket(fd, socket_address, sizeof(socket_address));
	snprintf(shown, cap, "http://%s", socket_address + strlen("tcp://"));
	*out = h;
	return SC_OK;
}

void http_free(struct http *h)
{
	if (h == NULL)
		return;
	if (h->server != NULL)
		evhttp_free(h->server);
	mem_free(h);
}
