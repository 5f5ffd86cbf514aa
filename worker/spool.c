/*
 * spool.c - see spool.h.
 *
 * A tree is removed without recursion and without long paths, however deep a task made it: directories found in a
 * subdirectory are moved up into the top one, so the work is never more than two levels deep.
 */
#include "worker/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static sc_err absolute_parent(const char *parent, char out[SPOOL_DIR_MAX], struct buf *error)
{
	char *real;
	int n;

	if (*parent == '\0')
		parent = getenv("TMPDIR");
	if (parent == NULL || *parent == '\0')
		parent = "/tmp";
	real = realpath(parent, NULL);
	if (real == NULL) {
		buf_printf(error, "worker.spool-dir: cannot use directory %s: %s", parent, strerror(errno));
		return SC_INVALID;
	}
	n = snprintf(out, SPOOL_DIR_MAX, "%s/" SPOOL_DIR_PREFIX "XXXXXX", real);
	free(real);
	if (n >= SPOOL_DIR_MAX) {
		buf_printf(error, "worker.spool-dir: the path of %s is too long", parent);
		return SC_INVALID;
	}
	return SC_OK;
}

sc_err spool_init(struct spool *s, const char *parent, struct buf *error)
{
	sc_err err = absolute_parent(parent, s->dir, error);

	s->last_number = 0;
	if (err != SC_OK)
		return err;
	if (mkdtemp(s->dir) == NULL) {
		buf_printf(error, "worker.spool-dir: cannot make %s: %s", s->dir, strerror(errno));
		return SC_DENIED;
	}
	return SC_OK;
}

int spool_restore(const struct spool *s)
{
	return mkdir(s->dir, 0700) == 0;
}

void spool_path(struct spool *s, const char *kind, char out[SPOOL_PATH_MAX])
{
	snprintf(out, SPOOL_PATH_MAX, "%s/%s-%" PRIu64, s->dir, kind, ++s->last_number);
}

/* ---- trees ---------------------------------------------------------------------------------------------------- */

/* A directory that its owner made unreadable can be made readable again. */
static int open_dir(int at, const char *name)
{
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0 && errno == EACCES && fchmodat(at, name, 0700, 0) == 0)
		fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	return fd;
}

/* Remove an entry; a directory that is not empty is moved into top (unless it is there already). */
static sc_err remove_entry(int top, int at, const char *name)
{
	static uint64_t moved;
	char up[64];

	if (unlinkat(at, name, 0) == 0 || errno == ENOENT)
		return SC_OK;
	if (errno != EISDIR && errno != EPERM)
		return SC_IO;
	fchmodat(at, name, 0700, 0);
	if (unlinkat(at, name, AT_REMOVEDIR) == 0)
		return SC_OK;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return SC_IO;
	if (at == top)
		return SC_NOT_FOUND; /* its entries have to go first */
	snprintf(up, sizeof(up), ".removed-%d-%" PRIu64, (int)getpid(), ++moved);
	return renameat(at, name, top, up) == 0 ? SC_OK : SC_IO;
}

/* Remove or move away all entries of a subdirectory of top, then itself. */
static sc_err empty_subdir(int top, const char *name, size_t *budget)
{
	int fd = open_dir(top, name);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *e;
	sc_err err = SC_OK;

	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return SC_IO;
	}
	while (err == SC_OK && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (*budget == 0)
			err = SC_LIMIT;
		else
			err = remove_entry(top, fd, e->d_name);
		*budget -= *budget > 0;
	}
	closedir(d);
	/* readdir may have missed some while others went: then there is another pass */
	if (err == SC_OK && unlinkat(top, name, AT_REMOVEDIR) != 0 && errno != ENOTEMPTY && errno != EEXIST)
		err = SC_IO;
	return err;
}

/* One pass over the entries of top; *left counts those that are still there. */
static sc_err pass(int top, DIR *d, size_t *budget, size_t *left)
{
	struct dirent *e;
	sc_err err = SC_OK;

	*left = 0;
	rewinddir(d);
	while (err == SC_OK && (e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if (*budget == 0)
			return SC_LIMIT;
		--*budget;
		++*left;
		err = remove_entry(top, top, e->d_name);
		if (err == SC_NOT_FOUND)
			err = empty_subdir(top, e->d_name, budget);
	}
	return err;
}

sc_err tree_remove(const char *path, size_t *budget)
{
	size_t left = 1;
	sc_err err = SC_OK;
	int fd;
	DIR *d;

	if (rmdir(path) == 0 || errno == ENOENT)
		return SC_OK;
	fd = open_dir(AT_FDCWD, path);
	d = fd < 0 ? NULL : fdopendir(fd);
	if (d == NULL) {
		if (fd >= 0)
			close(fd);
		return SC_IO;
	}
	while (err == SC_OK && left > 0)
		err = pass(fd, d, budget, &left);
	closedir(d);
	if (err == SC_OK && rmdir(path) != 0 && errno != ENOENT)
		err = SC_IO;
	return err;
}
