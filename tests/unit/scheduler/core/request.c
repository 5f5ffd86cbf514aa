/* Requests are interned: equal ones are one class. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/mem.h"
#include "scheduler/core/request.h"

Test(request, equal_requests_written_differently_are_one_class)
{
	struct requests r;
	struct request_class *a, *b, *c, *d;
	struct buf error;

	buf_init(&error, 0);
	cr_assert_eq(requests_init(&r), SC_OK);
	cr_assert_eq(requests_class(&r, slice_of("default"), slice_of(""), 0, &a, &error), SC_OK);
	cr_assert_eq(requests_class(&r, slice_of("default"), slice_of("cpus=1.0"), 0, &b, &error), SC_OK);
	cr_assert_eq(a, b);
	cr_assert_eq(requests_class(&r, slice_of("default"), slice_of("gpu=2,cpus=0.5"), 0, &c, &error), SC_OK);
	cr_assert_eq(requests_class(&r, slice_of("default"), slice_of("cpus=0.5,gpu=2.0000"), 0, &d, &error), SC_OK);
	cr_assert_eq(c, d);
	cr_assert_str_eq(c->request->text, "cpus=0.5,gpu=2");
	cr_assert_eq(requests_class(&r, slice_of("other"), slice_of("cpus=0.5,gpu=2"), 0, &d, &error), SC_OK);
	cr_assert_neq(c, d, "of another namespace");
	cr_assert_eq(c->request, d->request);
	cr_assert_str_eq(d->request->text, c->request->text);
	cr_assert_str_eq(d->namespace->name, "other");
	cr_assert_neq(d->namespace, c->namespace);
	cr_assert_eq(a->namespace, c->namespace);
	cr_assert_eq(requests_class(&r, slice_of("default"), slice_of("cpus=0"), 0, &d, &error), SC_OK,
		     "asks for nothing");
	cr_assert_eq(d->request->v[0].needs.n, 0);
	requests_fini(&r);
	buf_fini(&error);
}

Test(request, names_and_classes_are_bounded)
{
	struct requests r;
	struct request_class *c;
	struct buf error;
	char text[64];
	sc_err err = SC_OK;

	buf_init(&error, 0);
	cr_assert_eq(requests_init(&r), SC_OK);
	for (unsigned i = 0; i < RESOURCES_MAX - 2; i++) {
		snprintf(text, sizeof(text), "r%u=1", i);
		cr_assert_eq(requests_class(&r, slice_of("default"), slice_of(text), 0, &c, &error), SC_OK);
	}
	cr_assert_eq(requests_class(&r, slice_of("default"), slice_of("onemore=1"), 0, &c, &error), SC_LIMIT);
	for (unsigned i = 0; i <= CLASSES_MAX && err == SC_OK; i++) {
		snprintf(text, sizeof(text), "cpus=%u", i + 2);
		err = requests_class(&r, slice_of("default"), slice_of(text), 0, &c, &error);
	}
	cr_assert_eq(err, SC_LIMIT);
	requests_fini(&r);
	buf_fini(&error);
}

/* Whoever is refused leaves nothing behind that others could run out of. */
Test(request, what_is_refused_takes_no_names)
{
	struct requests r;
	struct request_class *c, *first;
	struct requests_mark before;
	struct buf error;
	char text[64];

	buf_init(&error, 0);
	cr_assert_eq(requests_init(&r), SC_OK);
	for (unsigned i = 0; i < 100; i++) {
		snprintf(text, sizeof(text), "r%u=1,s%u=lots", i, i);
		cr_assert_eq(requests_class(&r, slice_of("default"), slice_of(text), 0, &c, &error), SC_INVALID);
	}
	cr_assert_eq(r.n_names, 2);
	before = requests_mark(&r);
	cr_assert_eq(requests_class(&r, slice_of("default"), slice_of("gpu=1"), 0, &first, &error), SC_OK);
	cr_assert_eq(requests_class(&r, slice_of("default"), slice_of("gpu=2,disk=1"), 0, &c, &error), SC_OK);
	request_class_drop(c);
	request_class_drop(first);
	requests_undo(&r, before);
	cr_assert_eq(r.n_names, 2);
	cr_assert_eq(r.n_classes, 0);
	cr_assert_null(r.namespaces.by_name);
	cr_assert_eq(requests_class(&r, slice_of("default"), slice_of("gpu=2"), 0, &c, &error), SC_OK);
	cr_assert_str_eq(c->request->text, "gpu=2");
	requests_fini(&r);
	buf_fini(&error);
}

/* What no job asks for any more makes room; however many there have been, only those in use count. */
Test(request, classes_nobody_uses_are_forgotten)
{
	struct requests r;
	struct request_class *kept = NULL, *c;
	struct buf error;
	char name[32];

	buf_init(&error, 0);
	cr_assert_eq(requests_init(&r), SC_OK);
	for (unsigned i = 0; i < 2 * CLASSES_MAX; i++) {
		snprintf(name, sizeof(name), "n%u", i);
		cr_assert_eq(requests_class(&r, slice_of(name), slice_of("cpus=2"), 0, &c, &error), SC_OK);
		if (i == 1)
			kept = c;
		else
			request_class_drop(c);
	}
	cr_assert_eq(r.n_classes, 1);
	cr_assert_eq(r.classes[0], kept);
	cr_assert_eq(kept->number, 0);
	cr_assert_eq(HASH_COUNT(r.namespaces.by_name), 1);
	cr_assert_eq(requests_class(&r, slice_of("n1"), slice_of("cpus=2.0"), 0, &c, &error), SC_OK);
	cr_assert_eq(c, kept);
	request_class_drop(c);
	request_class_drop(kept);
	cr_assert_null(r.by_text);
	cr_assert_null(r.by_key);
	requests_fini(&r);
	buf_fini(&error);
}

/* What is written is read back as the same. */
Test(request, alternatives_labels_and_memory_have_one_way_to_be_written)
{
	static const struct {
		const char *given, *written;
	} rows[] = {
		{"gpu=1|cpus=8", "gpu=1|cpus=8"},
		{"gpu|cpus=8.0", "gpu=1|cpus=8"},
		{"memory=2048MiB,cpus=1", "cpus=1,memory=2GiB"},
		{"memory=1500", "memory=1500"},
		{"cpus=1,prefer:b=2,label:z=1,label:a=x y,prefer:a=1",
		 "cpus=1,label:a=x y,label:z=1,prefer:a=1,prefer:b=2"},
		{"cpus=1,label:a=1,label:a=1", "cpus=1,label:a=1"},
		{"label:zone=", "cpus=0,label:zone="},
		{"cpus=0", "cpus=0"},
		{"cpus=0.5|cpus=0|cpus=1|cpus=2", "cpus=0.5|cpus=0|cpus=1|cpus=2"},
	};
	struct requests r;
	struct request_class *a, *b;
	struct buf error;

	buf_init(&error, 0);
	cr_assert_eq(requests_init(&r), SC_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_eq(requests_class(&r, slice_of("d"), slice_of(rows[i].given), 0, &a, &error), SC_OK, "%s",
			     buf_str(&error));
		cr_expect_str_eq(a->request->text, rows[i].written);
		cr_assert_eq(requests_class(&r, slice_of("d"), slice_of(rows[i].written), 0, &b, &error), SC_OK);
		cr_expect_eq(a, b, "%s", rows[i].given);
		request_class_drop(a);
		request_class_drop(b);
	}
	cr_expect_null(r.labels, "labels nobody asks for are forgotten");
	requests_fini(&r);
	buf_fini(&error);
}

Test(request, mistakes_are_named)
{
	static const struct {
		const char *given;
		sc_err err;
		const char *says;
	} rows[] = {
		{"cpus=1|cpus=2|cpus=3|cpus=4|cpus=5", SC_LIMIT, "at most 4 alternatives"},
		{"cpus=1||cpus=2", SC_INVALID, "alternative 2 of the request is empty"},
		{"|cpus=2", SC_INVALID, "alternative 1"},
		{"memory=lots", SC_INVALID, "2GiB"},
		{"memory", SC_INVALID, "2GiB"},
		{"label:zone", SC_INVALID, "KEY=VALUE"},
		{"prefer:=x", SC_INVALID, "KEY=VALUE"},
		{"gpu=1,gpu=2", SC_INVALID, "twice"},
		{"cpus=1|gpu=x", SC_INVALID, "'gpu': 'x'"},
	};
	struct requests r;
	struct request_class *c;
	struct buf error, many;

	buf_init(&error, 0);
	buf_init(&many, 0);
	cr_assert_eq(requests_init(&r), SC_OK);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_reset(&error);
		cr_expect_eq(requests_class(&r, slice_of("d"), slice_of(rows[i].given), 0, &c, &error), rows[i].err,
			     "%s", rows[i].given);
		cr_expect(strstr(buf_str(&error), rows[i].says) != NULL, "%s: %s", rows[i].given, buf_str(&error));
	}
	for (unsigned i = 0; i <= LABELS_MAX; i++)
		buf_printf(&many, "%slabel:k=%u", i > 0 ? "," : "", i);
	cr_expect_eq(requests_class(&r, slice_of("d"), slice_of(buf_str(&many)), 0, &c, &error), SC_LIMIT);
	cr_expect_null(r.labels);
	cr_expect_eq(r.n_names, 2, "nothing stays behind of what was refused");
	requests_fini(&r);
	buf_fini(&many);
	buf_fini(&error);
}

Test(request, survives_any_failed_allocation)
{
	sc_err err = SC_NOMEM;

	for (long n = 0; err != SC_OK; n++) {
		struct request_class *c = NULL;
		struct requests r;
		struct buf error;

		buf_init(&error, 0);
		cr_assert_eq(requests_init(&r), SC_OK);
		mem_fail_nth(n);
		err = requests_class(&r, slice_of("x"), slice_of("cpus=2,label:a=1,prefer:b=1|gpu=1"), 0, &c, &error);
		mem_fail_nth(-1);
		cr_assert(err == SC_OK || (err == SC_NOMEM && c == NULL));
		cr_assert_eq(r.n_classes, err == SC_OK);
		requests_fini(&r);
		cr_assert_null(r.namespaces.by_name);
		cr_assert_null(r.labels);
		buf_fini(&error);
	}
}
