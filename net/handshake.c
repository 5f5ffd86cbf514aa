/* handshake.c - see handshake.h. */
#include "net/handshake.h"

#include <stdio.h>

#include "base/log.h"
#include "base/text.h"

#define FEATURES_KNOWN FEATURE_ZSTD

sc_err handshake_hello(struct conn *c, const char *role, const char *secret, const char *software)
{
	return handshake_hello_of_job(c, role, secret, software, 0);
}

sc_err handshake_hello_of_job(struct conn *c, const char *role, const char *secret, const char *software, uint64_t job)
{
	struct msg_hello m = {
		.version_min = PROTO_VERSION_MIN,
		.version_max = PROTO_VERSION_MAX,
		.features = FEATURES_KNOWN,
		.role = slice_of(role),
		.secret = slice_of(secret),
		.software = slice_of(software),
		.max_frame_bytes = conn_max_frame(c),
		.job = job,
	};

	return conn_send(c, MSG_hello, &m);
}

static void use_features(struct conn *c, uint64_t features, size_t compress_min_bytes)
{
	/* On one machine memory is faster than zstd. */
	if ((features & FEATURE_ZSTD) != 0 && !conn_is_local(c))
		conn_set_compression(c, compress_min_bytes);
}

/* What the other side said it accepts, 0 when it said nothing.  SC_INVALID: too little to be told anything. */
static sc_err respect_max_frame(struct conn *c, uint64_t max_frame_bytes)
{
	if (max_frame_bytes == 0)
		return SC_OK;
	if (max_frame_bytes < HANDSHAKE_FRAME_MIN)
		return SC_INVALID;
	conn_set_peer_max_frame(c, max_frame_bytes < UINT32_MAX ? (uint32_t)max_frame_bytes : UINT32_MAX);
	return SC_OK;
}

static sc_err refuse_secret(struct conn *c, const char *role)
{
	return conn_fail(c, SC_AUTH, "wrong secret for role %s: use the access file this scheduler wrote", role);
}

sc_err handshake_accept(struct conn *c, const struct msg *m, const struct handshake_rules *r, char role[32])
{
	const struct msg_hello *h = &m->u.hello;
	struct msg_welcome w = {0};
	const char *secret;
	char shown[129];

	if (m->type != MSG_hello)
		return conn_fail(c, SC_UNEXPECTED, "%s before hello", msg_name(m->type));
	if (h->version_min > PROTO_VERSION_MAX || h->version_max < PROTO_VERSION_MIN)
		return conn_fail(c, SC_VERSION, "protocol versions %u to %u are spoken here, not %u to %u",
				 PROTO_VERSION_MIN, PROTO_VERSION_MAX, (unsigned)h->version_min,
				 (unsigned)h->version_max);
	snprintf(role, 32, "%.*s", (int)h->role.n, h->role.p);
	secret = r->secret_of(role, r->arg);
	if (secret == NULL)
		return conn_fail(c, SC_UNEXPECTED, "role %s is not accepted here", log_quote(role));
	snprintf(shown, sizeof(shown), "%.*s", (int)h->secret.n, h->secret.p);
	if (secret[0] == '\0' || !text_equal_secret(secret, shown)) /* no secret yet is not a secret */
		return refuse_secret(c, role);
	if (respect_max_frame(c, h->max_frame_bytes) != SC_OK)
		return conn_fail(c, SC_INVALID, "frames of %llu bytes at most are too small: %u have to be accepted",
				 (unsigned long long)h->max_frame_bytes, HANDSHAKE_FRAME_MIN);
	w.version = h->version_max < PROTO_VERSION_MAX ? h->version_max : PROTO_VERSION_MAX;
	w.features = h->features & FEATURES_KNOWN;
	w.incarnation = slice_of(r->incarnation);
	w.data_secret = slice_of(r->data_secret);
	w.max_frame_bytes = r->max_frame_bytes;
	conn_set_max_frame(c, r->max_frame_bytes);
	use_features(c, w.features, r->compress_min_bytes);
	return conn_send(c, MSG_welcome, &w);
}

sc_err handshake_welcomed(struct conn *c, const struct msg *m, size_t compress_min_bytes, char *text, size_t cap)
{
	const struct msg_welcome *w = &m->u.welcome;

	if (m->type == MSG_error) {
		snprintf(text, cap, "%.*s", (int)m->u.error.text.n, m->u.error.text.p);
		return m->u.error.code == SC_OK ? SC_UNEXPECTED : (sc_err)m->u.error.code;
	}
	if (m->type != MSG_welcome) {
		snprintf(text, cap, "%s instead of welcome", msg_name(m->type));
		return SC_UNEXPECTED;
	}
	if (w->version < PROTO_VERSION_MIN || w->version > PROTO_VERSION_MAX) {
		snprintf(text, cap, "protocol version %u chosen, %u to %u are spoken here", (unsigned)w->version,
			 PROTO_VERSION_MIN, PROTO_VERSION_MAX);
		return SC_VERSION;
	}
	if (respect_max_frame(c, w->max_frame_bytes) != SC_OK) {
		snprintf(text, cap, "frames of %llu bytes at most are too small: %u have to be accepted",
			 (unsigned long long)w->max_frame_bytes, HANDSHAKE_FRAME_MIN);
		return SC_INVALID;
	}
	use_features(c, w->features, compress_min_bytes);
	return SC_OK;
}
