/*
 * seed.c - writes the first corpus of the binary targets: every message with something in every field, alone, cut in
 * the middle, and in frames; lies that have to be found out.  seed CORPUS_DIR; run by hand when messages were added
 * (make fuzz-seeds), the files are kept.
 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/frame.h"
#include "proto/message.h"
#include "tests/fuzz/fuzz.h"

static const char *corpus;

static void write_seed(const char *target, const char *name, const void *p, size_t n)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", corpus, target);
	mkdir(path, 0777);
	snprintf(path, sizeof(path), "%s/%s/%s", corpus, target, name);
	f = fopen(path, "we");
	if (f == NULL || fwrite(p, 1, n, f) != n || fclose(f) != 0) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		exit(1);
	}
}

/* ---- every field has something -------------------------------------------------------------------------------- */

static struct column_writer writer, few;
static const struct slice words[] = {{"one", 3}, {"", 0}, {"three\0.", 7}};

static void some_U64(msg_U64 *out, uint64_t bound)
{
	*out = bound > 300 ? 300 : bound;
}

static void some_I64(msg_I64 *out, uint64_t bound)
{
	*out = -(int64_t)(bound > 5 ? 5 : bound);
}

static void some_BIN(msg_BIN *out, uint64_t bound)
{
	*out = (struct slice){"some text", bound > 9 ? 9 : bound};
}

static void some_BINS(msg_BINS *out, uint64_t bound)
{
	*out = (struct slices){words, bound > 3 ? 3 : bound};
}

static void some_COL(msg_COL *out, uint64_t bound)
{
	*out = column_of(bound < writer.count ? &few : &writer);
}

#define some_STR  some_BIN
#define some_STRS some_BINS

static void fill(struct msg *m, msg_type type)
{
	m->type = type;
	switch ((int)type) {
#define MSG_BEGIN(name, code, from, text)    case code: {
#define FIELD(msg, type_, name, bound, text) some_##type_(&m->u.msg.name, (bound));
#define MSG_END(name)                                                                                                  \
	break;                                                                                                         \
	}
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef MSG_END
	}
}

static const msg_type all[] = {
#define MSG_BEGIN(name, code, from, text) MSG_##name,
#define FIELD(msg, type, name, bound, text)
#define MSG_END(name)
#include "proto/messages.def"
#undef MSG_BEGIN
#undef FIELD
#undef MSG_END
};

static void frame_around(struct buf *out, const struct buf *payload, uint8_t flags, uint32_t sequence)
{
	uint8_t head[FRAME_HEADER_BYTES];

	frame_header_write(head, &(struct frame_header){(uint32_t)payload->len, flags, sequence});
	buf_append(out, head, sizeof(head));
	buf_append(out, payload->data, payload->len);
}

static void messages_and_frames(void)
{
	struct frame_codec codec = {0};
	struct buf one, many, packed, stream;
	uint32_t sequence = 0;
	struct msg m;

	buf_init(&one, 0);
	buf_init(&many, 0);
	buf_init(&packed, 0);
	buf_init(&stream, 0);
	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		fill(&m, all[i]);
		buf_reset(&one);
		FUZZ_CHECK(msg_encode(&one, m.type, &m.u, NULL) == SC_OK);
		write_seed("message", msg_name(m.type), one.data, one.len);
		buf_append(&many, one.data, one.len);
		if (i % 8 == 0)
			frame_around(&stream, &one, 0, sequence++);
	}
	write_seed("message", "cut", many.data + many.len - one.len, one.len / 2);
	write_seed("frame", "plain", stream.data, stream.len);
	write_seed("frame", "cut", stream.data, stream.len - 3);
	buf_reset(&stream);
	frame_around(&stream, &many, 0, 0);
	FUZZ_CHECK(frame_compress(&codec, many.data, many.len, &packed) == SC_OK);
	frame_around(&stream, &packed, FRAME_ZSTD, 1);
	write_seed("frame", "compressed", stream.data, stream.len);
	stream.data[stream.len - 20] ^= 0xff;
	write_seed("frame", "compressed-damaged", stream.data, stream.len);
	frame_codec_fini(&codec);
	buf_fini(&one);
	buf_fini(&many);
	buf_fini(&packed);
	buf_fini(&stream);
}

/* Bodies of updates: alone and compressed, the first byte says which; see info_body.c. */
static void info_bodies(void)
{
	struct msg_info_body b = {0};
	struct frame_codec codec = {0};
	struct column_writer numbers, totals;
	struct slice names[20];
	struct slices texts = {names, 20};
	struct buf out, packed;

	column_writer_init(&numbers);
	column_writer_init(&totals);
	buf_init(&out, 0);
	buf_init(&packed, 0);
	for (uint64_t i = 0; i < 20; i++) {
		column_put(&numbers, i + 1);
		names[i] = words[i % 3];
	}
	for (uint64_t i = 0; i < 9; i++)
		column_put(&totals, i * 100);
	b.worker = b.pid = b.slots = b.memory_limit_bytes = b.status = column_of(&numbers);
	b.name = b.pool = b.address = b.host = b.resources = b.labels = b.namespace = texts;
	b.measured = b.cpu_percent = b.memory_mib = b.spilled_mib = b.running = b.queued = b.held = b.sent_kib_s =
		b.received_kib_s = column_of(&numbers);
	b.totals = column_of(&totals);
	buf_append_byte(&out, 1);
	FUZZ_CHECK(msg_encode(&out, MSG_info_body, &b, NULL) == SC_OK);
	write_seed("info_body", "snapshot", out.data, out.len);
	out.data[0] = 0;
	write_seed("info_body", "delta", out.data, out.len);
	write_seed("info_body", "cut", out.data, out.len / 2);
	buf_append_byte(&packed, 3);
	FUZZ_CHECK(frame_compress(&codec, out.data + 1, out.len - 1, &packed) == SC_OK);
	write_seed("info_body", "compressed", packed.data, packed.len);
	packed.data[packed.len - 6] ^= 0xff;
	write_seed("info_body", "compressed-damaged", packed.data, packed.len);
	b.running = column_of(&totals);
	buf_reset(&out);
	buf_append_byte(&out, 1);
	FUZZ_CHECK(msg_encode(&out, MSG_info_body, &b, NULL) == SC_OK);
	write_seed("info_body", "short-column", out.data, out.len);
	memset(&b, 0, sizeof(b));
	b.gone = column_of(&numbers);
	buf_reset(&out);
	buf_append_byte(&out, 0);
	FUZZ_CHECK(msg_encode(&out, MSG_info_body, &b, NULL) == SC_OK);
	write_seed("info_body", "gone", out.data, out.len);
	frame_codec_fini(&codec);
	column_writer_fini(&numbers);
	column_writer_fini(&totals);
	buf_fini(&out);
	buf_fini(&packed);
}

static void lies(void)
{
	static const struct {
		const char *target, *name, *bytes;
		size_t n;
	} seeds[] = {
		{"message", "lie-array-4g", "\xdd\xff\xff\xff\xff", 5},
		{"message", "lie-array-inside", "\x92\x28\xdd\xff\xff\xff\xff", 7},
		{"message", "lie-map-4g", "\xdf\xff\xff\xff\xff", 5},
		{"message", "lie-bin-4g", "\x94\x28\x01\xa1x\xc6\xff\xff\xff\xff", 10},
		{"message", "lie-deep", "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x01",
		 19},
		{"message", "lie-column", "\x93\x0f\x01\xc4\x06\xff\xff\xff\xff\x0f\x00", 11},
		{"message", "unknown-code", "\x92\x7f\x01", 3},
		{"frame", "lie-length", "\x7f\xff\xff\xff\x00\x00\x00\x00", 8},
		{"frame", "lie-inflated", "\x00\x00\x00\x06\x01\x00\x00\x00\xff\xff\xff\xff\x0fx", 14},
		{"frame", "http", "GET / HTTP/1.1\r\n\r\n", 18},
		{"column", "empty", "", 0},
		{"column", "one", "\x01\x02", 2},
		{"column", "lie-4g", "\xff\xff\xff\xff\x0f", 5},
		{"column", "lie-64", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", 11},
		{"column", "value-cut", "\x01\x80", 2},
		{"column", "value-65-bits", "\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11},
	};

	for (size_t i = 0; i < sizeof(seeds) / sizeof(seeds[0]); i++)
		write_seed(seeds[i].target, seeds[i].name, seeds[i].bytes, seeds[i].n);
}

int main(int argc, char **argv)
{
	struct column c;

	if (argc != 2) {
		fprintf(stderr, "usage: seed CORPUS_DIR\n");
		return 2;
	}
	corpus = argv[1];
	column_writer_init(&writer);
	column_writer_init(&few);
	for (uint64_t i = 0; i < 20; i++)
		column_put(&writer, i * i * i * 1000);
	column_put(&few, 300);
	c = column_of(&writer);
	write_seed("column", "cubes", c.p, c.size_bytes);
	messages_and_frames();
	info_bodies();
	lies();
	column_writer_fini(&writer);
	column_writer_fini(&few);
	return 0;
}
