/* std_fds.h - descriptors 0 to 2 are open, so that no file or socket of ours becomes what printf() writes to. */
#ifndef BASE_STD_FDS_H
#define BASE_STD_FDS_H

#include <fcntl.h>
#include <unistd.h>

/*
 * Open /dev/null in place of those that were closed; to be called before anything else is opened.  flags: O_RDWR, or
 * O_RDONLY for a program that has to notice that its output goes nowhere.  0, or -1 with errno set.
 */
static inline int std_fds_ensure(int flags)
{
	int fd;

	do
		fd = open("/dev/null", flags);
	while (fd >= 0 && fd <= STDERR_FILENO);
	return fd < 0 ? -1 : close(fd);
}

#endif
