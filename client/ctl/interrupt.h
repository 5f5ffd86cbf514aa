/*
 * interrupt.h - Ctrl-C and SIGTERM while waiting.
 *
 * The first is counted, and the command ends in good order; the second ends the program at once.
 */
#ifndef CLIENT_CTL_INTERRUPT_H
#define CLIENT_CTL_INTERRUPT_H

/* From now on.  last_words (may be NULL) runs in the handler of the second: only async-signal-safe calls. */
void interrupt_begin(void (*last_words)(void));
void interrupt_end(void);

/* How many have come. */
int interrupt_count(void);

#endif
