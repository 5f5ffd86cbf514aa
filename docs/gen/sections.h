/* sections.h - what can stand between markers.  Tables in Markdown, the rest in man(7) macros. */
#ifndef DOCS_GEN_SECTIONS_H
#define DOCS_GEN_SECTIONS_H

#include <stdio.h>

/* Markdown, for protocol.md. */
void print_messages(FILE *out);
void print_errors(FILE *out);
void print_constants(FILE *out);

/* man(7), for schedctl.1 and sched.1. */
void print_commands(FILE *out);
void print_global_options(FILE *out);
void print_fields(FILE *out);
void print_metrics(FILE *out);

#endif
