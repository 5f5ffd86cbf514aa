/* interrupt.c - see interrupt.h.  A signal handler has no argument, hence the variables of this file. */
#include "client/ctl/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t count;
static void (*volatile at_second)(void);
static struct sigaction before_int, before_term, before_hup;

static void on_signal(int signo)
{
	if (++count < 2)
		return;
	if (at_second != NULL)
		at_second();
	_exit(128 + signo);
}

void interrupt_begin(void (*last_words)(void))
{
	struct sigaction sa;

	memset(&sa, 0, sizeof(sa));
	sa.sa_handler = on_signal;
	sa.sa_flags = SA_RESTART;
	sigemptyset(&sa.sa_mask);
	count = 0;
	at_second = last_words;
	sigaction(SIGINT, &sa, &before_int);
	sigaction(SIGTERM, &sa, &before_term);
	sigaction(SIGHUP, &sa, &before_hup);
}

void interrupt_end(void)
{
	sigaction(SIGINT, &before_int, NULL);
	sigaction(SIGTERM, &before_term, NULL);
	sigaction(SIGHUP, &before_hup, NULL);
	at_second = NULL;
}

int interrupt_count(void)
{
	return count;
}
