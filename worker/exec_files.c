/* exec_files.c - see exec_files.h. */
#include "worker/exec_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define STDIN_COPY_MAX	   ((uint64_t)1024 * 1024) /* joined inputs above this are fed through a pipe */
#define REMOVE_AT_ONCE_MAX 256			   /* entries of a task's directory */
#define DIR_MODE	   0777			   /* less the umask: what users' own programs do */
#define FILE_MODE	   0666

void files_init(struct exec_files *f)
{
	f->temp_dir = f->inputs_dir = NULL;
	f->n_written = f->first_empty = 0;
	feed_init(&f->feed);
	f->out.path = f->err.path = NULL;
	capture_init(&f->out.capture);
	capture_init(&f->err.capture);
	for (int i = 0; i < 3; i++)
		f->child_fds[i] = -1;
}

/* ---- directories ---------------------------------------------------------------------------------------------- */

static int make_dir(struct spool *spool, const char *kind, char **out, struct outcome *o)
{
	char path[SPOOL_PATH_MAX];

	spool_path(spool, kind, path);
	*out = mem_strdup(path);
	if (*out != NULL && mkdir(path, 0700) == 0)
		return 0;
	outcome_fail(o, FAIL_SPAWN, (uint64_t)errno, "cannot make directory '%s': %s", path, strerror(errno));
	mem_free(*out);
	*out = NULL;
	return -1;
}

/* Whether the task reads the result of this input, and how it is called. */
static size_t input_key(const struct task *t, const struct input *in, char key[KEY_MAX])
{
	const struct group *g = job_group_of(t->group->job, in->number);

	return g == NULL ? 0 : group_key(g, in->number, key);
}

static int write_input(const struct blob *b, int dir, const char *key)
{
	int fd, failed, saved;

	if (b != NULL && (b->place == BLOB_FILE || b->place == BLOB_FOREIGN)) {
		/* a link keeps it there should the scheduler have it dropped; across file systems there is no such */
		if (b->place == BLOB_FILE && linkat(AT_FDCWD, b->at, dir, key, 0) == 0)
			return 0;
		return symlinkat(b->at, dir, key) == 0 || errno == EEXIST ? 0 : -1;
	}
	fd = openat(dir, key, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -1;
	failed = b != NULL && blob_write_to(b, fd) != 0;
	saved = errno;
	failed |= close(fd) != 0;
	errno = saved;
	return failed ? -1 : 0;
}

/*
 * Results that are empty are one file of many names: an inode for each of thousands takes a file system long, ext4 for
 * seconds when as many have just been removed.
 */
static int write_empty(struct exec_files *f, const struct task *t, int dir, const char *key)
{
	char first[KEY_MAX];

	if (f->first_empty != 0 && input_key(t, &t->inputs[f->first_empty - 1], first) > 0 &&
	    linkat(dir, first, dir, key, 0) == 0)
		return 0;
	f->first_empty = f->n_written; /* the first, or one has as many names as a file may have */
	return write_input(NULL, dir, key);
}

int files_make_dirs(struct exec_files *f, const struct exec_plan *p, const struct task *t, struct spool *spool,
		    struct outcome *o)
{
	if (p->cwd == NULL && make_dir(spool, "task", &f->temp_dir, o) != 0)
		return -1;
	return t->n_inputs > 0 ? make_dir(spool, "inputs", &f->inputs_dir, o) : 0;
}

int files_write_inputs(struct exec_files *f, const struct task *t, uint32_t n, struct outcome *o)
{
	char key[KEY_MAX];
	int dir, failed = 0;

	if (f->n_written == t->n_inputs)
		return 0;
	dir = open(f->inputs_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	for (; dir >= 0 && !failed && n > 0 && f->n_written < t->n_inputs; n--) {
		const struct input *in = &t->inputs[f->n_written++];
		const struct blob *b = in->result == NULL ? NULL : &in->result->stream[STREAM_RESULT];

		if (input_key(t, in, key) > 0)
			failed = b == NULL || b->bytes == 0 ? write_empty(f, t, dir, key) : write_input(b, dir, key);
	}
	if (failed || dir < 0)
		outcome_fail(o, FAIL_SPAWN, (uint64_t)errno, "cannot write the inputs to '%s': %s", f->inputs_dir,
			     strerror(errno));
	if (dir >= 0)
		close(dir);
	return failed || dir < 0 ? -1 : f->n_written < t->n_inputs;
}

const char *files_cwd(const struct exec_files *f, const struct exec_plan *p)
{
	return p->cwd != NULL ? p->cwd : f->temp_dir;
}

/* ---- standard input ------------------------------------------------------------------------------------------- */

static int memory_file(void)
{
	return memfd_create("sched-stdin", MFD_CLOEXEC);
}

/* Every child gets an open file of its own, and so a position of its own, of the one copy. */
static int open_bytes(struct exec_plan *p)
{
	struct blob b = {.place = BLOB_MEMORY, .bytes = p->stdin_bytes.n, .at = (char *)p->stdin_bytes.p};
	char path[40];

	if (p->stdin_fd < 0) {
		p->stdin_fd = memory_file();
		if (p->stdin_fd >= 0 && blob_write_to(&b, p->stdin_fd) != 0) {
			close(p->stdin_fd);
			p->stdin_fd = -1;
		}
	}
	if (p->stdin_fd < 0)
		return -1;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", p->stdin_fd);
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* The results of the inputs in a group, one after the other. */
static int open_joined(struct exec_files *f, const struct exec_plan *p, const struct task *t, int null_fd)
{
	struct group *g = job_group(t->group->job, p->stdin_group - 1);
	const struct blob *only = NULL;
	uint64_t bytes = 0;
	size_t n = 0;
	int fd, failed = 0, saved;

	for (uint32_t i = 0; g != NULL && i < t->n_inputs; i++) {
		if (!group_has(g, t->inputs[i].number) || t->inputs[i].result == NULL)
			continue;
		only = &t->inputs[i].result->stream[STREAM_RESULT];
		bytes += only->bytes;
		n++;
	}
	if (bytes == 0)
		return null_fd;
	if (n == 1 && only->place != BLOB_MEMORY)
		return open(only->at, O_RDONLY | O_CLOEXEC);
	if (bytes > STDIN_COPY_MAX)
		return feed_open(&f->feed, t, g, &fd) == 0 ? fd : -1;
	fd = memory_file();
	for (uint32_t i = 0; fd >= 0 && !failed && i < t->n_inputs; i++)
		if (group_has(g, t->inputs[i].number) && t->inputs[i].result != NULL)
			failed = blob_write_to(&t->inputs[i].result->stream[STREAM_RESULT], fd);
	if (fd >= 0 && (failed || lseek(fd, 0, SEEK_SET) != 0)) {
		saved = errno;
		close(fd);
		errno = saved;
		fd = -1;
	}
	return fd;
}

/* A named pipe nobody has opened yet must not hold up the agent, and must not surprise the task. */
static int open_file(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, FILE_MODE);

	if (fd >= 0)
		fcntl(fd, F_SETFL, flags & O_APPEND);
	return fd;
}

/* A path of the user's, as seen from the task's directory. */
static char *from_dir(struct arena *a, const char *cwd, const char *path)
{
	return path[0] == '/' ? (char *)path : arena_printf(a, "%s/%s", cwd, path);
}

static int open_stdin(struct exec_files *f, struct exec_plan *p, const struct task *t, const struct pattern_values *v,
		      const char *cwd, struct arena *scratch, int null_fd, struct outcome *o)
{
	const char *what = "the bytes given";
	int fd = null_fd;

	if (p->stdin_path != NULL) {
		what = p->substitute ? pattern_expand(scratch, slice_of(p->stdin_path), v, NULL) : p->stdin_path;
		what = what == NULL ? NULL : from_dir(scratch, cwd, what);
		fd = what == NULL ? -1 : open_file(what, O_RDONLY);
	} else if (p->stdin_bytes.n > 0) {
		fd = open_bytes(p);
	} else if (p->stdin_group > 0) {
		what = "the inputs";
		fd = open_joined(f, p, t, null_fd);
	}
	if (fd < 0)
		outcome_fail(o, FAIL_SPAWN, (uint64_t)errno, "cannot read standard input from '%s': %s",
			     what == NULL ? p->stdin_path : what, strerror(errno));
	return fd;
}

/* ---- standard output and error -------------------------------------------------------------------------------- */

/* Make the directories a path goes through.  Failures show when the file is opened. */
static void make_parents(char *path)
{
	for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		mkdir(path, DIR_MODE);
		*slash = '/';
	}
}

static int open_output_file(struct output *out, const char *pattern, const struct pattern_values *v, const char *cwd,
			    struct arena *scratch, struct outcome *o)
{
	int flags = O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, fd;
	char *path = pattern_expand(scratch, slice_of(pattern), v, NULL);

	if (path != NULL)
		path = from_dir(scratch, cwd, path);
	out->path = path == NULL ? NULL : mem_strdup(path);
	if (out->path == NULL) {
		outcome_fail(o, FAIL_OUTPUT, ENOMEM, "no memory for the path of '%s'", pattern);
		return -1;
	}
	fd = open_file(out->path, flags);
	if (fd < 0 && errno == ENOENT) {
		make_parents(out->path);
		fd = open_file(out->path, flags);
	}
	if (fd < 0) {
		outcome_fail(o, FAIL_OUTPUT, (uint64_t)errno, "cannot write '%s': %s", out->path, strerror(errno));
		mem_free(out->path);
		out->path = NULL;
	}
	return fd;
}

static int open_output(struct output *out, const char *pattern, const struct pattern_values *v, const char *cwd,
		       struct arena *scratch, struct outcome *o)
{
	int fd;

	if (pattern != NULL)
		return open_output_file(out, pattern, v, cwd, scratch, o);
	if (capture_open(&out->capture, &fd) == 0)
		return fd;
	outcome_fail(o, FAIL_SPAWN, (uint64_t)errno, "cannot make a pipe: %s", strerror(errno));
	return -1;
}

/* A file below a directory that is not there is not what the user has to hear about. */
static int check_dir(const char *cwd, struct outcome *o)
{
	struct stat st;

	if (stat(cwd, &st) == 0 && S_ISDIR(st.st_mode))
		return 0;
	errno = errno == 0 ? ENOTDIR : errno;
	outcome_fail(o, FAIL_SPAWN, (uint64_t)errno, "cannot enter directory '%s': %s", cwd, strerror(errno));
	return -1;
}

int files_open(struct exec_files *f, struct exec_plan *p, const struct task *t, const struct pattern_values *v,
	       const char *cwd, struct arena *scratch, int null_fd, struct outcome *o)
{
	int *fds = f->child_fds;

	errno = 0;
	if ((p->stdin_path != NULL || p->stdout_pattern != NULL || p->stderr_pattern != NULL) && check_dir(cwd, o) != 0)
		return -1;
	fds[0] = open_stdin(f, p, t, v, cwd, scratch, null_fd, o);
	if (fds[0] < 0)
		return -1;
	fds[1] = open_output(&f->out, p->stdout_pattern, v, cwd, scratch, o);
	if (fds[1] < 0)
		return -1;
	fds[2] = open_output(&f->err, p->stderr_pattern, v, cwd, scratch, o);
	return fds[2] < 0 ? -1 : 0;
}

/* ---- the end -------------------------------------------------------------------------------------------------- */

void files_passed_on(struct exec_files *f)
{
	for (int i = 0; i < 3; i++)
		f->child_fds[i] = -1;
}

static void remove_dir(char **path, void (*remove_later)(const char *path, void *arg), void *arg)
{
	size_t budget = REMOVE_AT_ONCE_MAX;

	if (*path == NULL)
		return;
	if (tree_remove(*path, &budget) == SC_LIMIT)
		remove_later(*path, arg);
	mem_free(*path);
	*path = NULL;
}

void files_fini(struct exec_files *f, int null_fd, void (*remove_later)(const char *path, void *arg), void *arg)
{
	for (int i = 0; i < 3; i++)
		if (f->child_fds[i] >= 0 && f->child_fds[i] != null_fd)
			close(f->child_fds[i]);
	files_passed_on(f);
	feed_close(&f->feed);
	capture_fini(&f->out.capture);
	capture_fini(&f->err.capture);
	mem_free(f->out.path);
	mem_free(f->err.path);
	f->out.path = f->err.path = NULL;
	remove_dir(&f->temp_dir, remove_later, arg);
	remove_dir(&f->inputs_dir, remove_later, arg);
}
