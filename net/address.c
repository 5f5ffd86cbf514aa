/* address.c - see address.h. */
#include "net/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

static sc_err parse_unix(const char *path, struct address *out)
{
	struct sockaddr_un *un = (struct sockaddr_un *)&out->sa;

	if (path[0] != '/' || strlen(path) >= sizeof(un->sun_path))
		return SC_INVALID;
	memset(out, 0, sizeof(*out));
	un->sun_family = AF_UNIX;
	memcpy(un->sun_path, path, strlen(path) + 1);
	out->len = sizeof(*un);
	return SC_OK;
}

static sc_err parse_tcp(const char *text, struct address *out)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV}, *found;
	const char *colon = strrchr(text, ':');
	char host[256];
	size_t n;
	char *end;
	unsigned long port;

	if (colon == NULL || colon == text || colon[1] < '0' || colon[1] > '9')
		return SC_INVALID;
	port = strtoul(colon + 1, &end, 10);
	if (*end != '\0' || port > 65535)
		return SC_INVALID;
	n = (size_t)(colon - text);
	if (text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	} else if (memchr(text, ':', n) != NULL) {
		return SC_INVALID; /* which colon begins the port? */
	}
	if (n == 0 || n >= sizeof(host))
		return SC_INVALID;
	memcpy(host, text, n);
	host[n] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
		return SC_NOT_FOUND;
	memset(out, 0, sizeof(*out));
	memcpy(&out->sa, found->ai_addr, found->ai_addrlen);
	out->len = found->ai_addrlen;
	freeaddrinfo(found);
	return SC_OK;
}

sc_err address_parse(const char *text, struct address *out)
{
	if (strncmp(text, "unix://", 7) == 0)
		return parse_unix(text + 7, out);
	if (strncmp(text, "tcp://", 6) == 0)
		return parse_tcp(text + 6, out);
	return SC_INVALID;
}

void address_show(const struct sockaddr *sa, socklen_t len, char *out, size_t cap)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (len < sizeof(sa->sa_family)) {
		snprintf(out, cap, "unknown");
	} else if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const struct sockaddr_in *)sa;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(out, cap, "tcp://%s:%u", host, ntohs(in->sin_port));
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;

		inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
		snprintf(out, cap, "tcp://[%s]:%u", host, ntohs(in6->sin6_port));
	} else if (sa->sa_family == AF_UNIX) {
		const struct sockaddr_un *un = (const struct sockaddr_un *)sa;
		size_t off = offsetof(struct sockaddr_un, sun_path);
		int n = len > off ? (int)strnlen(un->sun_path, len - off) : 0;

		snprintf(out, cap, "unix://%.*s", n, un->sun_path);
	} else {
		snprintf(out, cap, "unknown");
	}
}

void address_of_socket(int fd, char *out, size_t cap)
{
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof(sa);

	if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
		len = 0;
	address_show((struct sockaddr *)&sa, len, out, cap);
}

void address_of_peer(int fd, char *out, size_t cap)
{
	struct sockaddr_storage sa = {0};
	socklen_t len = sizeof(sa);

	if (getpeername(fd, (struct sockaddr *)&sa, &len) != 0)
		len = 0;
	if (len > 0 && sa.ss_family == AF_UNIX) { /* the peer of a unix socket has no name, but a process */
		struct ucred who;
		socklen_t n = sizeof(who);

		if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &n) == 0) {
			snprintf(out, cap, "unix:pid=%d", (int)who.pid);
			return;
		}
	}
	address_show((struct sockaddr *)&sa, len, out, cap);
}

int address_is_local(int fd)
{
	struct sockaddr_storage peer = {0}, own = {0};
	socklen_t peer_len = sizeof(peer), own_len = sizeof(own);

	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0 ||
	    getsockname(fd, (struct sockaddr *)&own, &own_len) != 0)
		return 0;
	if (peer.ss_family == AF_UNIX)
		return 1;
	if (peer.ss_family == AF_INET && own.ss_family == AF_INET) {
		uint32_t from = ((struct sockaddr_in *)&peer)->sin_addr.s_addr;

		return ntohl(from) >> 24 == 127 || from == ((struct sockaddr_in *)&own)->sin_addr.s_addr;
	}
	if (peer.ss_family == AF_INET6 && own.ss_family == AF_INET6) {
		const struct in6_addr *from = &((struct sockaddr_in6 *)&peer)->sin6_addr;

		return IN6_IS_ADDR_LOOPBACK(from) ||
		       IN6_ARE_ADDR_EQUAL(from, &((struct sockaddr_in6 *)&own)->sin6_addr);
	}
	return 0;
}

static sc_err listen_error(int error)
{
	switch (error) {
	case EADDRINUSE:
		return SC_IN_USE;
	case EACCES:
	case EPERM:
		return SC_DENIED;
	case EADDRNOTAVAIL:
	case ENOENT:
		return SC_INVALID;
	default:
		return SC_IO;
	}
}

/* A unix socket file outlives its listener; it may go when connecting to it is refused. */
static void remove_stale_unix(const struct address *a)
{
	const char *path = ((const struct sockaddr_un *)&a->sa)->sun_path;
	struct stat st;
	int fd;

	/* Connecting to a plain file is refused as well, and that one is not ours to remove. */
	if (a->sa.ss_family != AF_UNIX || lstat(path, &st) != 0 || !S_ISSOCK(st.st_mode))
		return;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (connect(fd, (const struct sockaddr *)&a->sa, a->len) != 0 && errno == ECONNREFUSED)
		unlink(path);
	close(fd);
}

sc_err address_listen(const struct address *a, int *out)
{
	int on = 1, saved;
	int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return SC_IO;
	if (a->sa.ss_family != AF_UNIX)
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	remove_stale_unix(a);
	if (bind(fd, (const struct sockaddr *)&a->sa, a->len) != 0 || listen(fd, BACKLOG) != 0) {
		saved = errno;
		close(fd);
		errno = saved;
		return listen_error(saved);
	}
	*out = fd;
	return SC_OK;
}

sc_err address_connect(const struct address *a, int *out)
{
	int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return SC_IO;
	if (connect(fd, (const struct sockaddr *)&a->sa, a->len) != 0 && errno != EINPROGRESS) {
		close(fd);
		return SC_UNREACHABLE;
	}
	*out = fd;
	return SC_OK;
}
