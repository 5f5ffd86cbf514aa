/* measure.c - the length of msgpack values, of every type, whole, cut and lying. */
#include <criterion/criterion.h>
#include <msgpack.h>
#include <string.h>

#include "base/mem.h"
#include "proto/message.h"

#define DEPTH 8

static size_t measure(const char *bytes, size_t n)
{
	uint8_t *copy = mem_malloc(n); /* exactly as long, so that a sanitizer sees a read beyond */
	size_t len;

	memcpy(copy, bytes, n);
	len = msgpack_measure(copy, n, DEPTH);
	mem_free(copy);
	return len;
}

/* What msgpack-c itself packs, of each type and near each change of size. */
static void pack_samples(msgpack_packer *pk)
{
	static char bytes[70000];
	static const uint64_t numbers[] = {0, 127, 128, 255, 256, 65535, 65536, UINT32_MAX, UINT64_MAX};
	static const int64_t negative[] = {-1, -32, -33, -128, -129, -32768, -32769, INT32_MIN, INT64_MIN};
	static const size_t sizes[] = {0, 1, 31, 32, 255, 256, 65535, 65536};

	msgpack_pack_nil(pk);
	msgpack_pack_true(pk);
	msgpack_pack_false(pk);
	msgpack_pack_float(pk, 1.5f);
	msgpack_pack_double(pk, 1.5);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		msgpack_pack_uint64(pk, numbers[i]);
	for (size_t i = 0; i < sizeof(negative) / sizeof(negative[0]); i++)
		msgpack_pack_int64(pk, negative[i]);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		msgpack_pack_str_with_body(pk, bytes, sizes[i]);
		msgpack_pack_bin_with_body(pk, bytes, sizes[i]);
		msgpack_pack_ext_with_body(pk, bytes, sizes[i], 1);
		msgpack_pack_array(pk, sizes[i]);
		for (size_t k = 0; k < sizes[i]; k++)
			msgpack_pack_int(pk, 1);
		msgpack_pack_map(pk, sizes[i]);
		for (size_t k = 0; k < 2 * sizes[i]; k++)
			msgpack_pack_int(pk, 1);
	}
	for (size_t n = 1; n <= 16; n *= 2)
		msgpack_pack_ext_with_body(pk, bytes, n, 2);
	msgpack_pack_array(pk, 2);
	msgpack_pack_map(pk, 1);
	msgpack_pack_int(pk, 1);
	msgpack_pack_array(pk, 0);
	msgpack_pack_str_with_body(pk, "end", 3);
}

Test(measure, agrees_with_msgpack_on_every_type)
{
	msgpack_sbuffer sb;
	msgpack_packer pk;
	size_t at = 0, n_values = 0;

	msgpack_sbuffer_init(&sb);
	msgpack_packer_init(&pk, &sb, msgpack_sbuffer_write);
	pack_samples(&pk);
	while (at < sb.size) {
		msgpack_unpacked u;
		size_t off = at, len = msgpack_measure((const uint8_t *)sb.data + at, sb.size - at, DEPTH);

		msgpack_unpacked_init(&u);
		cr_assert_eq(msgpack_unpack_next(&u, sb.data, sb.size, &off), MSGPACK_UNPACK_SUCCESS);
		cr_assert_eq(len, off - at, "value %zu of type 0x%02x", n_values, (unsigned)(uint8_t)sb.data[at]);
		msgpack_unpacked_destroy(&u);
		/* One byte less is never enough. */
		cr_assert_eq(measure(sb.data + at, len - 1), 0, "value %zu, cut", n_values);
		at += len;
		n_values++;
	}
	cr_assert_gt(n_values, 60);
	msgpack_sbuffer_destroy(&sb);
}

Test(measure, counts_that_cannot_be_true)
{
	cr_assert_eq(measure("\xdd\xff\xff\xff\xff", 5), 0, "an array of 2^32 - 1 in no bytes");
	cr_assert_eq(measure("\xdf\xff\xff\xff\xff", 5), 0, "a map of 2^32 - 1");
	cr_assert_eq(measure("\xdf\x80\x00\x00\x00", 5), 0, "a map whose doubled count is 2^32");
	cr_assert_eq(measure("\xdd\x00\x00\x00\x02\x01", 6), 0, "an element is missing");
	cr_assert_eq(measure("\xdc\xff\xff\xdc\xff\xff\xdc\xff\xff", 9), 0);
	cr_assert_eq(measure("\xc6\xff\xff\xff\xff\x00", 6), 0, "4 GiB in one byte");
	cr_assert_eq(measure("\xdb\x00\x00\x00\x02x", 6), 0);
	cr_assert_eq(measure("\xc9\xff\xff\xff\xff\x01", 6), 0);
	cr_assert_eq(measure("\xc1", 1), 0, "a type that does not exist");
	cr_assert_eq(measure("", 0), 0);
}

Test(measure, depth_is_bounded)
{
	char nested[32];

	memset(nested, '\x91', sizeof(nested)); /* arrays of one */
	nested[DEPTH] = 1;
	cr_assert_eq(measure(nested, DEPTH + 1), DEPTH + 1);
	nested[DEPTH] = '\x91';
	nested[DEPTH + 1] = 1;
	cr_assert_eq(measure(nested, DEPTH + 2), 0);
	cr_assert_eq(msgpack_measure((const uint8_t *)nested, 2, 1000), 0, "no depth asked for exceeds the stack");
}
