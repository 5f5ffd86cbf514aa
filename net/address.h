/*
 * address.h - where something listens: "tcp://HOST:PORT" or "unix:///path".
 */
#ifndef NET_ADDRESS_H
#define NET_ADDRESS_H

#include <stddef.h>
#include <sys/socket.h>

#include "proto/sched_error.h"

#define ADDRESS_MAX 256

struct address {
	struct sockaddr_storage sa;
	socklen_t len;
};

/*
 * HOST is a name or a numeric address, IPv6 in brackets; port 0 lets the kernel choose.  Resolving a name may block.
 * SC_INVALID: not of either form, or a path over the kernel's limit; SC_NOT_FOUND: the name does not resolve.
 */
sc_err address_parse(const char *text, struct address *out);

/* The text form of a socket's own or its peer's address. */
void address_show(const struct sockaddr *sa, socklen_t len, char *out, size_t cap);
void address_of_socket(int fd, char *out, size_t cap);
void address_of_peer(int fd, char *out, size_t cap);

/* Whether both ends are on this machine: a unix socket, a loopback address, or one address on both sides. */
int address_is_local(int fd);

/*
 * A listening, non-blocking socket; the caller closes it.  A stale unix socket nobody listens on is replaced.
 * SC_IN_USE, SC_DENIED, SC_INVALID (not an address of this machine), SC_IO.
 */
sc_err address_listen(const struct address *a, int *fd);

/* A non-blocking socket, connecting; the caller closes it.  SC_UNREACHABLE at once, or later as the socket's error. */
sc_err address_connect(const struct address *a, int *fd);

#endif
