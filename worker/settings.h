/*
 * settings.h - what the command line and the configuration say about this worker.
 */
#ifndef WORKER_SETTINGS_H
#define WORKER_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/options.h"
#include "worker/resources.h"

#define LABELS_MAX 256

struct settings {
	struct options options;
	char access_path[4096]; /* absolute */
	struct resources resources;
	const char *name; /* "" : the scheduler makes one; the texts borrow argv */
	const char *pool;
	const char *namespace; /* "": it serves all; borrows argv or options */
	const char *labels[LABELS_MAX];
	size_t n_labels;
	uint64_t memory_limit_bytes; /* 0: none */
};

enum settings_result {
	SETTINGS_OK,
	SETTINGS_DONE /* --help or --version: printed */,
	SETTINGS_BAD /* said on stderr */
};

/* Read the command line and all sources of configuration. */
enum settings_result settings_read(int argc, char **argv, struct settings *out);
void settings_fini(struct settings *s);

#endif
