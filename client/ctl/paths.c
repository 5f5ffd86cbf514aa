/* paths.c - see paths.h. */
#include "client/ctl/paths.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

char *path_current(void)
{
	char here[PATH_MAX];

	return getcwd(here, sizeof(here)) != NULL ? mem_strdup(here) : NULL;
}

char *path_join(const char *dir, const char *path)
{
	size_t room = strlen(dir) + strlen(path) + 2;
	char *joined;

	if (path[0] == '/')
		return mem_strdup(path);
	joined = mem_malloc(room);
	if (joined != NULL)
		snprintf(joined, room, "%s%s%s", dir, dir[0] != '\0' && dir[strlen(dir) - 1] == '/' ? "" : "/", path);
	return joined;
}

char *path_join_pattern(const char *dir, const char *path)
{
	return strncmp(path, "{item}", strlen("{item}")) == 0 ? mem_strdup(path) : path_join(dir, path);
}

sc_err path_make_parents(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);

	if (n >= sizeof(part)) {
		errno = ENAMETOOLONG;
		return SC_DENIED;
	}
	for (size_t i = 1; i < n; i++) {
		if (path[i] != '/')
			continue;
		memcpy(part, path, i);
		part[i] = '\0';
		if (mkdir(part, 0777) != 0 && errno != EEXIST && errno != EISDIR)
			return SC_DENIED;
	}
	return SC_OK;
}
