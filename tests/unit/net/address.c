/* address.c - the text form there and back, listening, what is left behind by others. */
#include "net/address.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"
#include "tests/support/cluster.h"

static void shown_as(const char *text, const char *shown)
{
	char out[ADDRESS_MAX];
	struct address a;

	cr_assert_eq(address_parse(text, &a), SC_OK, "%s", text);
	address_show((struct sockaddr *)&a.sa, a.len, out, sizeof(out));
	cr_assert_str_eq(out, shown);
}

Test(address, forms)
{
	shown_as("tcp://127.0.0.1:4711", "tcp://127.0.0.1:4711");
	shown_as("tcp://127.0.0.1:0", "tcp://127.0.0.1:0");
	shown_as("tcp://[::1]:65535", "tcp://[::1]:65535");
	shown_as("unix:///tmp/x.sock", "unix:///tmp/x.sock");
}

Test(address, what_is_none)
{
	static const char *const bad[] = {"",
					  "127.0.0.1:1",
					  "tcp://",
					  "tcp://:1",
					  "tcp://127.0.0.1",
					  "tcp://127.0.0.1:",
					  "tcp://127.0.0.1:x",
					  "tcp://127.0.0.1:1x",
					  "tcp://127.0.0.1:-1",
					  "tcp://127.0.0.1:65536",
					  "tcp://127.0.0.1:99999999999999999999",
					  "tcp://::1:80",
					  "tcp://[]:80",
					  "tcp://[::1]",
					  "unix://relative",
					  "unix://",
					  "http://127.0.0.1:1"};
	char long_path[200], long_host[400];
	struct address a;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		cr_expect_eq(address_parse(bad[i], &a), SC_INVALID, "'%s' is taken", bad[i]);
	snprintf(long_path, sizeof(long_path), "unix:///%0150d", 0);
	cr_expect_eq(address_parse(long_path, &a), SC_INVALID, "over the kernel's limit");
	snprintf(long_host, sizeof(long_host), "tcp://%0300d:1", 0);
	cr_expect_eq(address_parse(long_host, &a), SC_INVALID);
	cr_expect_eq(address_parse("tcp://[not-an-address]:1", &a), SC_NOT_FOUND);
}

Test(address, a_port_of_the_kernels_choice)
{
	char shown[ADDRESS_MAX];
	struct address a;
	int fd, fd2;

	cr_assert_eq(address_parse("tcp://127.0.0.1:0", &a), SC_OK);
	cr_assert_eq(address_listen(&a, &fd), SC_OK);
	cr_assert(fcntl(fd, F_GETFL) & O_NONBLOCK);
	cr_assert(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	address_of_socket(fd, shown, sizeof(shown));
	cr_assert(strncmp(shown, "tcp://127.0.0.1:", 16) == 0 && strcmp(shown + 16, "0") != 0, "%s", shown);
	cr_assert_eq(address_parse(shown, &a), SC_OK);
	cr_assert_eq(address_listen(&a, &fd2), SC_IN_USE);
	close(fd);
}

Test(address, not_of_this_machine)
{
	struct address a;
	int fd;

	cr_assert_eq(address_parse("tcp://192.0.2.1:0", &a), SC_OK);
	cr_assert_eq(address_listen(&a, &fd), SC_INVALID);
	cr_assert_eq(address_parse("unix:///nonexistent-directory/x.sock", &a), SC_OK);
	cr_assert_eq(address_listen(&a, &fd), SC_INVALID);
}

Test(address, a_socket_nobody_listens_on_is_replaced_a_live_one_is_not)
{
	char *dir = dir_new(), text[ADDRESS_MAX];
	struct address a;
	int fd, fd2;

	snprintf(text, sizeof(text), "unix://%s/s", dir);
	cr_assert_eq(address_parse(text, &a), SC_OK);
	cr_assert_eq(address_listen(&a, &fd), SC_OK);
	cr_assert_eq(address_listen(&a, &fd2), SC_IN_USE);
	close(fd);
	cr_assert_eq(address_listen(&a, &fd), SC_OK);
	close(fd);
	dir_remove(dir);
	mem_free(dir);
}

Test(address, a_plain_file_is_never_removed)
{
	char *dir = dir_new(), path[100], text[ADDRESS_MAX];
	struct address a;
	struct stat st;
	FILE *f;
	int fd;

	snprintf(path, sizeof(path), "%s/precious", dir);
	f = fopen(path, "we");
	fputs("data", f);
	fclose(f);
	snprintf(text, sizeof(text), "unix://%s", path);
	cr_assert_eq(address_parse(text, &a), SC_OK);
	cr_assert_eq(address_listen(&a, &fd), SC_IN_USE);
	cr_assert(stat(path, &st) == 0 && st.st_size == 4);
	dir_remove(dir);
	mem_free(dir);
}

Test(address, whether_a_peer_is_on_this_machine)
{
	char shown[ADDRESS_MAX];
	struct address a;
	int fd, pair[2], listening;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	cr_assert(address_is_local(pair[0]));
	address_of_peer(pair[0], shown, sizeof(shown));
	cr_assert(strncmp(shown, "unix:pid=", 9) == 0, "%s", shown);
	cr_assert_eq(address_parse("tcp://127.0.0.1:0", &a), SC_OK);
	cr_assert_eq(address_listen(&a, &listening), SC_OK);
	address_of_socket(listening, shown, sizeof(shown));
	cr_assert_eq(address_parse(shown, &a), SC_OK);
	cr_assert_eq(address_connect(&a, &fd), SC_OK);
	cr_assert(address_is_local(fd));
	cr_assert(!address_is_local(listening), "it has no peer");
	close(fd);
	close(listening);
	close(pair[0]);
	close(pair[1]);
}

Test(address, shown_when_it_is_cut_or_unknown)
{
	struct sockaddr_storage sa = {.ss_family = AF_PACKET};
	char out[ADDRESS_MAX];

	address_show((struct sockaddr *)&sa, 0, out, sizeof(out));
	cr_assert_str_eq(out, "unknown");
	address_show((struct sockaddr *)&sa, sizeof(sa), out, sizeof(out));
	cr_assert_str_eq(out, "unknown");
	sa.ss_family = AF_UNIX;
	address_show((struct sockaddr *)&sa, sizeof(sa.ss_family), out, sizeof(out));
	cr_assert_str_eq(out, "unix://");
}
