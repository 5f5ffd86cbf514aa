/* settings.c - see settings.h. */
#include "worker/settings.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/text.h"
#include "net/access.h"
#include "net/handshake.h"

#define REPEATS_MAX 256 /* of one option */

/* The command line as it is, before it is judged. */
struct arguments {
	const char *access_file, *config, *slots, *name, *namespace, *pool, *memory_limit;
	char *sets[REPEATS_MAX];
	const char *labels[REPEATS_MAX];
	const char *resources[REPEATS_MAX];
	size_t n_sets, n_labels, n_resources;
};

static const char usage[] =
	"usage: sched-worker [OPTION]...\n"
	"\n"
	"Runs tasks of a scheduler, and serves their results to other workers.\n"
	"\n"
	"  --access-file FILE     where the scheduler is and its secret\n"
	"                         [$SCHED_ACCESS_FILE, $XDG_RUNTIME_DIR/sched/access.yaml, ~/.sched/access.yaml]\n"
	"  --slots N              cpus to offer [those this process may use]\n"
	"  --name NAME            name of this worker [made by the scheduler]\n"
	"  --pool NAME            pool it belongs to\n"
	"  --namespace NAME       run only tasks of jobs of this namespace [worker.namespace]\n"
	"  --label KEY=VALUE      a label; may be repeated\n"
	"  --resource NAME=N      offer N of a resource tasks can ask for; may be repeated\n"
	"  --resource NAME=[A,B]  offer units with names; a task is told which of them it has\n"
	"  --memory-limit BYTES   memory for tasks that say how much they take, all together; like 16GiB\n"
	"  --config FILE          read this configuration file as well\n"
	"  --set KEY=VALUE        set one key of the configuration; may be repeated\n"
	"  --help                 print this\n"
	"  --version              print the version\n"
	"\n"
	"Configuration keys [built-in values]:\n";

enum {
	A_ACCESS = 256,
	A_SLOTS,
	A_NAME,
	A_NAMESPACE,
	A_POOL,
	A_LABEL,
	A_RESOURCE,
	A_MEMORY,
	A_CONFIG,
	A_SET,
	A_HELP,
	A_VERSION
};

static const struct option long_options[] = {
	{"access-file", required_argument, NULL, A_ACCESS},
	{"slots", required_argument, NULL, A_SLOTS},
	{"name", required_argument, NULL, A_NAME},
	{"namespace", required_argument, NULL, A_NAMESPACE},
	{"pool", required_argument, NULL, A_POOL},
	{"label", required_argument, NULL, A_LABEL},
	{"resource", required_argument, NULL, A_RESOURCE},
	{"memory-limit", required_argument, NULL, A_MEMORY},
	{"config", required_argument, NULL, A_CONFIG},
	{"set", required_argument, NULL, A_SET},
	{"help", no_argument, NULL, A_HELP},
	{"version", no_argument, NULL, A_VERSION},
	{NULL, 0, NULL, 0},
};

static enum settings_result bad(struct buf *error)
{
	fprintf(stderr, "sched-worker: %s\n", buf_str(error));
	return SETTINGS_BAD;
}

static enum settings_result add(const char **list, size_t *n, const char *value, const char *option)
{
	if (*n == REPEATS_MAX) {
		fprintf(stderr, "sched-worker: %s may be given %d times at most\n", option, REPEATS_MAX);
		return SETTINGS_BAD;
	}
	list[(*n)++] = value;
	return SETTINGS_OK;
}

static enum settings_result read_one(int option, struct arguments *a)
{
	switch (option) {
	case A_ACCESS:
		a->access_file = optarg;
		return SETTINGS_OK;
	case A_SLOTS:
		a->slots = optarg;
		return SETTINGS_OK;
	case A_NAME:
		a->name = optarg;
		return SETTINGS_OK;
	case A_NAMESPACE:
		a->namespace = optarg;
		return SETTINGS_OK;
	case A_POOL:
		a->pool = optarg;
		return SETTINGS_OK;
	case A_MEMORY:
		a->memory_limit = optarg;
		return SETTINGS_OK;
	case A_CONFIG:
		a->config = optarg;
		return SETTINGS_OK;
	case A_LABEL:
		return add(a->labels, &a->n_labels, optarg, "--label");
	case A_RESOURCE:
		return add(a->resources, &a->n_resources, optarg, "--resource");
	case A_SET:
		return add((const char **)a->sets, &a->n_sets, optarg, "--set");
	case A_HELP:
		fputs(usage, stdout);
		options_print_help(stdout, "log|net|worker");
		return SETTINGS_DONE;
	case A_VERSION:
		puts("sched-worker " SCHED_VERSION);
		return SETTINGS_DONE;
	default:
		fprintf(stderr, "Try 'sched-worker --help'.\n"); /* getopt has said what is wrong */
		return SETTINGS_BAD;
	}
}

static enum settings_result read_arguments(int argc, char **argv, struct arguments *a)
{
	enum settings_result result = SETTINGS_OK;
	int option;

	memset(a, 0, sizeof(*a));
	while (result == SETTINGS_OK && (option = getopt_long(argc, argv, "", long_options, NULL)) != -1)
		result = read_one(option, a);
	if (result == SETTINGS_OK && optind < argc) {
		fprintf(stderr,
			"sched-worker: '%s' is not expected; there are only options\nTry 'sched-worker --help'.\n",
			argv[optind]);
		return SETTINGS_BAD;
	}
	return result;
}

/* ---- judging -------------------------------------------------------------------------------------------------- */

static uint64_t usable_cpus(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof(set), &set) == 0 && CPU_COUNT(&set) > 0)
		return (uint64_t)CPU_COUNT(&set);
	return (uint64_t)sysconf(_SC_NPROCESSORS_ONLN); /* more than the set has room for */
}

static sc_err judge_resources(const struct arguments *a, struct settings *s, struct buf *error)
{
	uint64_t slots = usable_cpus();

	if (a->slots != NULL && (text_u64(a->slots, &slots) != SC_OK || slots == 0 || slots > 100000)) {
		buf_printf(error, "--slots: '%s' is not allowed; it has to be a whole number from 1 to 100000",
			   a->slots);
		return SC_INVALID;
	}
	resources_init(&s->resources, slots);
	for (size_t i = 0; i < a->n_resources; i++) {
		buf_printf(error, "--resource: ");
		if (resources_add(&s->resources, a->resources[i], error) != SC_OK)
			return SC_INVALID;
		buf_reset(error);
	}
	return SC_OK;
}

static sc_err judge_name(const char *option, const char *value, struct buf *error)
{
	if (value == NULL || text_is_name(value, strlen(value)))
		return SC_OK;
	buf_printf(error, "%s: '%s' is not allowed; it has to be " TEXT_NAME_ALLOWED, option, value);
	return SC_INVALID;
}

static sc_err judge_labels(const struct arguments *a, struct settings *s, struct buf *error)
{
	for (size_t i = 0; i < a->n_labels; i++) {
		const char *eq = strchr(a->labels[i], '=');

		if (eq == NULL || !text_is_name(a->labels[i], (size_t)(eq - a->labels[i])) || strlen(eq) > 200 ||
		    strpbrk(eq, ",|") != NULL) {
			buf_printf(
				error,
				"--label: '%s' is not allowed; it has to be KEY=VALUE, with a key of " TEXT_NAME_ALLOWED
				" and a value of at most 199 bytes without , and |",
				a->labels[i]);
			return SC_INVALID;
		}
		s->labels[s->n_labels++] = a->labels[i];
	}
	return SC_OK;
}

/* What the command line says counts, "" as well: a worker for all, whatever the configuration reserves it for. */
static sc_err judge_namespace(const struct arguments *a, struct settings *s, struct buf *error)
{
	const char *option = a->namespace != NULL ? "--namespace" : "worker.namespace";

	s->namespace = a->namespace != NULL ? a->namespace : s->options.worker_namespace;
	return s->namespace[0] == '\0' ? SC_OK : judge_name(option, s->namespace, error);
}

/* Tasks run elsewhere, so what they are told has to be absolute. */
static sc_err judge_access(const struct arguments *a, struct settings *s, struct buf *error)
{
	char given[4096], dir[4096];
	sc_err err = access_path(a->access_file, given, sizeof(given));

	if (err == SC_OK && given[0] == '/') {
		memcpy(s->access_path, given, sizeof(given));
		return SC_OK;
	}
	if (err == SC_OK && getcwd(dir, sizeof(dir)) != NULL &&
	    snprintf(s->access_path, sizeof(s->access_path), "%s/%s", dir, given) < (int)sizeof(s->access_path))
		return SC_OK;
	buf_printf(error, "the access file cannot be found: give it with --access-file or SCHED_ACCESS_FILE");
	return SC_INVALID;
}

static sc_err judge(struct arguments *a, struct settings *s, struct buf *error)
{
	sc_err err = options_load(&s->options, a->config, a->sets, a->n_sets, error);

	if (err == SC_OK)
		err = judge_resources(a, s, error);
	if (err == SC_OK)
		err = judge_name("--name", a->name, error);
	if (err == SC_OK)
		err = judge_name("--pool", a->pool, error);
	if (err == SC_OK)
		err = judge_namespace(a, s, error);
	if (err == SC_OK)
		err = judge_labels(a, s, error);
	if (err == SC_OK && a->memory_limit != NULL && text_bytes(a->memory_limit, &s->memory_limit_bytes) != SC_OK) {
		buf_printf(error, "--memory-limit: '%s' is not allowed; it has to be a size like 4096, 512MiB, 16GiB",
			   a->memory_limit);
		err = SC_INVALID;
	}
	if (err == SC_OK)
		err = judge_access(a, s, error);
	resources_limit_memory(&s->resources, s->memory_limit_bytes);
	s->name = a->name != NULL ? a->name : "";
	s->pool = a->pool != NULL ? a->pool : "";
	return err;
}

enum settings_result settings_read(int argc, char **argv, struct settings *out)
{
	struct arguments a;
	struct buf error;
	enum settings_result result = read_arguments(argc, argv, &a);

	if (result != SETTINGS_OK)
		return result;
	memset(out, 0, sizeof(*out));
	buf_init(&error, 0);
	if (options_init(&out->options) != SC_OK) {
		buf_printf(&error, "%s", sc_err_text(SC_NOMEM));
		result = bad(&error);
	} else if (judge(&a, out, &error) != SC_OK) {
		result = bad(&error);
		settings_fini(out);
	}
	buf_fini(&error);
	return result;
}

void settings_fini(struct settings *s)
{
	resources_fini(&s->resources);
	options_fini(&s->options);
}
