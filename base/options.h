/*
 * options.h - configuration from the table in options.def.
 *
 * Sources, later wins: built-in, /etc/sched/sched.yaml, ~/.config/sched/sched.yaml (or $XDG_CONFIG_HOME), --config,
 * environment (SCHED_WORKER__KILL_DELAY for worker.kill-delay), --set worker.kill-delay=2s.  An unknown key, a bad unit
 * or a value out of range is an error that names source, line, key and what is allowed.
 */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "proto/sched_error.h"

/* C types of the option types. */
typedef uint64_t opt_DURATION; /* microseconds; UINT64_MAX is "off" */
typedef uint64_t opt_BYTES;
typedef uint64_t opt_COUNT;
typedef uint64_t opt_SHARE; /* parts of a million */
typedef char *opt_TEXT;	    /* owned by the options */
typedef char *opt_CHOICE;   /* owned by the options */

struct options {
#define OPT(type, section, field, key, def, min, max, help) opt_##type section##_##field;
#include "base/options.def"
#undef OPT
};

/* Built-in values.  SC_NOMEM. */
sc_err options_init(struct options *o);
void options_fini(struct options *o);

/* Set one key ("worker.kill-delay") from text; `where` begins the error text.  SC_INVALID with *error filled. */
sc_err options_set(struct options *o, const char *where, const char *key, const char *value, struct buf *error);

/* "key=value", as --set takes it. */
sc_err options_set_pair(struct options *o, const char *where, const char *pair, struct buf *error);

/* A file; SC_NOT_FOUND when it is not there. */
sc_err options_load_file(struct options *o, const char *path, struct buf *error);

/* Every SCHED_SECTION__KEY of the environment. */
sc_err options_load_env(struct options *o, char **environ_, struct buf *error);

/*
 * All sources in order: files, `config` (may be NULL; must exist), environment, then the n_sets --set pairs.
 * *error holds a complete sentence on SC_INVALID.
 */
sc_err options_load(struct options *o, const char *config, char *const *sets, size_t n_sets, struct buf *error);

/* For --help and generated pages: every key of the sections named ("net|worker", NULL: all). */
void options_print_help(FILE *out, const char *sections);
void options_print_sample(FILE *out);
void options_print_man(FILE *out);

#endif
