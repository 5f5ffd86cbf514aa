/* main.c - schedctl; the program is ctl_main(), so that tests can link everything but this. */
#include <stdio.h>

#include "base/std_fds.h"
#include "client/ctl/ctl.h"

int main(int argc, char **argv)
{
	if (std_fds_ensure(O_RDONLY) != 0) {
		perror("schedctl: /dev/null");
		return 1;
	}
	return ctl_main(argc, argv);
}
