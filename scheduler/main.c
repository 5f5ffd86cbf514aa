/* main.c - the daemon `sched`: command line, configuration, access file, sockets, signals; then the loop. */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/options.h"
#include "base/std_fds.h"
#include "net/access.h"
#include "scheduler/http.h"
#include "scheduler/scheduler.h"

#define EXIT_USAGE	 2
#define EXIT_UNREACHABLE 3
#define LISTEN_DEFAULT	 "tcp://127.0.0.1:0"
#define SETS_MAX	 64

struct arguments {
	const char *listen[ACCESS_ADDRESSES_MAX];
	size_t n_listen;
	const char *config, *access_file, *http;
	char *sets[SETS_MAX];
	size_t n_sets;
};

static void print_help(void)
{
	printf("usage: sched [--listen ADDRESS]... [--http HOST:PORT] [--access-file F] [--config F] [--set "
	       "KEY=VALUE]...\n\n"
	       "The scheduler.  Writes 'ready address=... access=...' to standard output once it serves.\n\n"
	       "  --listen ADDRESS   tcp://HOST:PORT or unix:///PATH; port 0: any free one; may be repeated [%s]\n"
	       "  --http HOST:PORT   serve /metrics (Prometheus) and /healthz there; port 0: any free one [off]\n"
	       "  --access-file F    where to write addresses and secrets [$SCHED_ACCESS_FILE, or sched/access.yaml "
	       "under\n"
	       "                     $XDG_RUNTIME_DIR, or ~/.sched/access.yaml]\n"
	       "  --config F         configuration file, read after /etc/sched/sched.yaml and "
	       "~/.config/sched/sched.yaml\n"
	       "  --set KEY=VALUE    set one configuration key; may be repeated\n"
	       "  --help, --version\n\n"
	       "Configuration keys [built-in value]:\n",
	       LISTEN_DEFAULT);
	options_print_help(stdout, "log|net|scheduler");
}

static int usage_error(const char *text, const char *what)
{
	fprintf(stderr, "sched: %s%s%s\nTry 'sched --help'.\n", text, what != NULL ? ": " : "",
		what != NULL ? what : "");
	return EXIT_USAGE;
}

/* 0: go on; otherwise *status is the exit status. */
static int parse_arguments(int argc, char **argv, struct arguments *a, int *status)
{
	static const struct option longs[] = {
		{"listen", required_argument, NULL, 'l'}, {"access-file", required_argument, NULL, 'a'},
		{"http", required_argument, NULL, 'w'},	  {"config", required_argument, NULL, 'c'},
		{"set", required_argument, NULL, 's'},	  {"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'v'},	  {NULL, 0, NULL, 0}};
	int opt;

	*status = 0;
	while ((opt = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (opt) {
		case 'l':
			if (a->n_listen == ACCESS_ADDRESSES_MAX) {
				*status = usage_error("too many --listen", NULL);
				return 1;
			}
			a->listen[a->n_listen++] = optarg;
			break;
		case 'a':
			a->access_file = optarg;
			break;
		case 'w':
			a->http = optarg;
			break;
		case 'c':
			a->config = optarg;
			break;
		case 's':
			if (a->n_sets == SETS_MAX) {
				*status = usage_error("too many --set", NULL);
				return 1;
			}
			a->sets[a->n_sets++] = optarg;
			break;
		case 'h':
			print_help();
			return 1;
		case 'v':
			printf("sched %s\n", SCHED_VERSION);
			return 1;
		default:
			fprintf(stderr, "Try 'sched --help'.\n");
			*status = EXIT_USAGE;
			return 1;
		}
	}
	if (optind < argc) {
		*status = usage_error("unexpected argument", argv[optind]);
		return 1;
	}
	if (a->n_listen == 0)
		a->listen[a->n_listen++] = LISTEN_DEFAULT;
	return 0;
}

static int complain(struct buf *error, sc_err err, int status)
{
	fprintf(stderr, "sched: %s\n", error->len > 0 ? buf_str(error) : sc_err_text(err));
	return status;
}

/* The scheduler with everything around it. */
struct daemon {
	struct options options;
	struct access access;
	struct access_lock *lock;
	struct loop *loop;
	struct scheduler *scheduler;
	struct http *http;
};

static void on_terminate(void *arg)
{
	struct daemon *d = arg;

	scheduler_stop(d->scheduler, 0);
}

static sc_err open_listeners(struct daemon *d, const struct arguments *a, struct buf *error)
{
	for (size_t i = 0; i < a->n_listen; i++) {
		char *shown = d->access.addresses[i];
		sc_err err = server_listen(d->scheduler->server, a->listen[i], shown, ADDRESS_MAX);

		if (err != SC_OK) {
			buf_printf(error, "cannot listen on %s: %s", a->listen[i],
				   err == SC_IN_USE	 ? "the address is taken; is another scheduler running?"
				   : err == SC_NOT_FOUND ? "its host is not known"
				   : err == SC_INVALID	 ? "not an address of this machine, or not of the form "
							   "tcp://HOST:PORT or unix:///PATH"
							 : sc_err_text(err));
			return err;
		}
		d->access.n_addresses = i + 1;
	}
	if (a->http != NULL) {
		sc_err err = http_new(d->scheduler, a->http, d->access.http, sizeof(d->access.http), &d->http);

		if (err != SC_OK) {
			buf_printf(error, "cannot serve HTTP on %s: %s", a->http,
				   err == SC_IN_USE	 ? "the address is taken"
				   : err == SC_NOT_FOUND ? "its host is not known"
				   : err == SC_INVALID ? "not an address of this machine, or not of the form HOST:PORT"
						       : sc_err_text(err));
			return err;
		}
	}
	return SC_OK;
}

static int serve(struct daemon *d, const struct arguments *a, const char *access_file, struct buf *error)
{
	sc_err err = loop_new(&d->loop);

	if (err == SC_OK)
		err = scheduler_new(d->loop, &d->options, &d->access, &d->scheduler, error);
	if (err == SC_OK)
		err = loop_on_signal(d->loop, SIGTERM, on_terminate, d);
	if (err == SC_OK)
		err = loop_on_signal(d->loop, SIGINT, on_terminate, d);
	if (err == SC_OK)
		err = open_listeners(d, a, error);
	if (err == SC_OK)
		err = access_publish(d->lock, &d->access, error);
	if (err != SC_OK)
		return complain(error, err, err == SC_INVALID || err == SC_LIMIT ? EXIT_USAGE : EXIT_UNREACHABLE);
	printf("ready");
	for (size_t i = 0; i < d->access.n_addresses; i++)
		printf(" address=%s", d->access.addresses[i]);
	if (d->http != NULL)
		printf(" http=%s", d->access.http);
	printf(" access=%s\n", access_file);
	fflush(stdout);
	log_info("sched", "ready", "address=%s pid=%ld version=%s", d->access.addresses[0], (long)getpid(),
		 SCHED_VERSION);
	loop_run(d->loop);
	log_info("sched", "stopped", "pid=%ld", (long)getpid());
	return 0;
}

/* A connection is a descriptor: as many as the system lets us have.  It starts no children that could be surprised. */
static void raise_descriptor_limit(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) != 0)
		return;
	l.rlim_cur = l.rlim_max;
	setrlimit(RLIMIT_NOFILE, &l);
}

int main(int argc, char **argv)
{
	struct arguments a = {0};
	struct daemon d = {0};
	char access_file[4096];
	struct buf error;
	sc_err err;
	int status;

	if (std_fds_ensure(O_RDWR) != 0) {
		perror("sched: /dev/null");
		return 1;
	}
	if (parse_arguments(argc, argv, &a, &status))
		return status;
	mem_adopt_libraries();
	signal(SIGPIPE, SIG_IGN);
	raise_descriptor_limit();
	buf_init(&error, 0);
	err = options_init(&d.options);
	if (err == SC_OK)
		err = options_load(&d.options, a.config, a.sets, a.n_sets, &error);
	if (err != SC_OK) {
		status = complain(&error, err, EXIT_USAGE);
		goto out;
	}
	log_set_level((enum log_level)log_level_parse(d.options.log_level));
	if (access_path(a.access_file, access_file, sizeof(access_file)) != SC_OK) {
		status = usage_error("no place for the access file: set HOME or use --access-file", NULL);
		goto out;
	}
	err = access_claim(access_file, &d.access, &d.lock, &error);
	if (err != SC_OK) {
		status = complain(&error, err, EXIT_UNREACHABLE);
		goto out;
	}
	status = serve(&d, &a, access_file, &error);
	access_release(d.lock);
out:
	http_free(d.http);
	scheduler_free(d.scheduler);
	loop_free(d.loop);
	options_fini(&d.options);
	buf_fini(&error);
	return status;
}
