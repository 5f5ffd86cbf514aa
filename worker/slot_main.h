/*
 * slot_main.h - a function slot: the process in which C functions run, one call after the other.
 *
 * It is told what to call over a socket pair (slot_call, slot_return).  A word of memory shared with the agent says
 * which call is running, so that the agent knows whose fault it is should the process die.
 */
#ifndef WORKER_SLOT_MAIN_H
#define WORKER_SLOT_MAIN_H

#include <stdatomic.h>
#include <stdint.h>

#define SLOT_SOCKET_PLACE 3 /* descriptors of the process */
#define SLOT_SHARED_PLACE 4

struct slot_shared {
	_Atomic uint64_t running; /* number of the call, 0: none */
};

/* sched-worker --function-slot FD; FD is the socket, FD + 1 the shared memory. */
int slot_main(int argc, char **argv);

#endif
