/* main.c - schedctl; the program is ctl_main(), so that tests can link everything but this. */
#include "client/ctl/ctl.h"

int main(int argc, char **argv)
{
	return ctl_main(argc, argv);
}
