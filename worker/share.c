/* share.c - see share.h. */
#include "worker/share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

sc_err share_give(const struct spool *s, const struct blob *b, struct msg_data_link *m)
{
	const char *dir_name = strrchr(s->dir, '/');
	struct stat st;

	if (b->place != BLOB_FILE || dir_name == NULL || strncmp(b->at, s->dir, strlen(s->dir)) != 0)
		return SC_INVALID;
	if (lstat(b->at, &st) != 0 || !S_ISREG(st.st_mode) || (uint64_t)st.st_size != b->bytes)
		return SC_INVALID;
	m->total_bytes = b->bytes;
	m->name = slice_of(b->at + (dir_name + 1 - s->dir));
	m->inode = (uint64_t)st.st_ino;
	m->changed_ns = spool_changed_ns(&st);
	return SC_OK;
}

/* "sched-worker-XXXXXX/KIND-NUMBER" as two names, neither of which leads anywhere else. */
static sc_err split(struct slice name, char dir[256], char file[256])
{
	const char *slash = name.n > 0 ? memchr(name.p, '/', name.n) : NULL;
	size_t n_dir = slash == NULL ? 0 : (size_t)(slash - name.p);

	if (slash == NULL || name.n > 255 || memchr(name.p, '\0', name.n) != NULL ||
	    memchr(slash + 1, '/', name.n - n_dir - 1) != NULL)
		return SC_INVALID;
	snprintf(dir, 256, "%.*s", (int)n_dir, name.p);
	snprintf(file, 256, "%.*s", (int)(name.n - n_dir - 1), slash + 1);
	return strncmp(dir, SPOOL_DIR_PREFIX, strlen(SPOOL_DIR_PREFIX)) == 0 && file[0] != '.' && file[0] != '\0'
		       ? SC_OK
		       : SC_INVALID;
}

/* Whether an open file is the one that was described, and a result of an agent of ours. */
static int is_meant(int fd, const struct msg_data_link *m)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_uid == geteuid() &&
	       (uint64_t)st.st_ino == m->inode && (uint64_t)st.st_size == m->total_bytes &&
	       spool_changed_ns(&st) == m->changed_ns;
}

/* The directory of another agent beside ours. */
static int open_beside(const struct spool *s, const char *name)
{
	char path[SPOOL_PATH_MAX + 256];
	const char *own = strrchr(s->dir, '/');
	struct stat st;
	int fd;

	snprintf(path, sizeof(path), "%.*s/%s", (int)(own - s->dir), s->dir, name);
	fd = open(path, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_uid != geteuid())) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* The file is opened first: what is looked at is then what gets the name, whatever happens to the old one. */
sc_err share_take(struct spool *s, const struct msg_data_link *m, char out[SPOOL_PATH_MAX])
{
	char dir_name[256], file_name[256], fd_path[40];
	sc_err err = split(m->name, dir_name, file_name);
	int dir, fd, saved;

	if (err != SC_OK)
		return err;
	dir = open_beside(s, dir_name);
	fd = dir < 0 ? -1 : openat(dir, file_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (dir >= 0)
		close(dir);
	if (fd < 0)
		return SC_NOT_FOUND;
	err = is_meant(fd, m) ? SC_OK : SC_INVALID;
	if (err == SC_OK) {
		spool_path(s, "input", out);
		snprintf(fd_path, sizeof(fd_path), "/proc/self/fd/%d", fd);
		err = linkat(AT_FDCWD, fd_path, AT_FDCWD, out, AT_SYMLINK_FOLLOW) == 0 ? SC_OK : SC_IO;
	}
	saved = errno;
	close(fd);
	errno = saved;
	return err;
}
